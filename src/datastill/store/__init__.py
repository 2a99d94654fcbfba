"""Run folders, synthetic sets and pools: the only code that writes them."""

from __future__ import annotations

from datastill.identity import fingerprint
from datastill.store.checkpoints import (
    Checkpoint,
    CheckpointFile,
    checkpoint_file,
    require_same,
)
from datastill.store.files import (
    domain_of,
    plain,
    read_json,
    replace_file,
    require_writable,
    versions,
    write_json,
    writing,
)
from datastill.store.journal import LOG_FILE, Journal, Run, open_journal, require_sinks, rewind
from datastill.store.locks import locked
from datastill.store.models import (
    load_member,
    load_pool,
    member_path,
    members_in,
    pool_folder,
    save_member,
    write_manifest,
)
from datastill.store.sets import (
    add_validation,
    assessment_file,
    copy_set,
    described_set,
    load,
    log_file,
    networks_folder,
    open_run,
    require_free,
    save,
    set_folder,
    set_header,
    stem_of,
    validation_file,
)
from datastill.store.studies import StudyFolder
from datastill.store.succession import (
    GOOD_FILE,
    SET_FILE,
    begin,
    place_of,
    settle,
    state_file,
)

__all__ = [
    "GOOD_FILE",
    "LOG_FILE",
    "SET_FILE",
    "Checkpoint",
    "CheckpointFile",
    "Journal",
    "Run",
    "StudyFolder",
    "add_validation",
    "assessment_file",
    "begin",
    "checkpoint_file",
    "copy_set",
    "described_set",
    "domain_of",
    "fingerprint",
    "load",
    "load_member",
    "load_pool",
    "locked",
    "log_file",
    "member_path",
    "members_in",
    "networks_folder",
    "open_journal",
    "open_run",
    "place_of",
    "plain",
    "pool_folder",
    "read_json",
    "replace_file",
    "require_free",
    "require_same",
    "require_sinks",
    "require_writable",
    "rewind",
    "save",
    "save_member",
    "set_folder",
    "set_header",
    "settle",
    "state_file",
    "stem_of",
    "validation_file",
    "versions",
    "write_json",
    "write_manifest",
    "writing",
]
