"""What original models say of the synthetic images: one pass of them through the pool."""

from __future__ import annotations

import torch.nn.functional as F

from datastill.evaluation.assessments.base import ASSESSMENTS, Score, mean
from datastill.evaluation.evidence import Evidence


@ASSESSMENTS.register("om-accuracy")
def om_accuracy(evidence: Evidence) -> Score:
    r"""Share of the images that original models give the class of their label.

    :math:`\frac{1}{PM} \sum_{p,i} [\arg\max f_p(s_i) = y_i]`, over the pool and the set; of soft
    labels the likeliest class counts. It cannot tell sets apart that are all read without error.

    Reference:
        Which Assessment Should be Prioritized in Dataset Distillation?, 2023.
    """
    labels = evidence.judged.hard_labels
    right = (evidence.logits.argmax(-1) == labels).double()
    return Score(float(right.mean()), "higher")


@ASSESSMENTS.register("om-cross-entropy")
def om_cross_entropy(evidence: Evidence) -> Score:
    r"""Cross-entropy of the labels under original models, in nats: what CLOM lowers.

    :math:`-\frac{1}{PM} \sum_{p,i} \sum_k y_{ik} \log f_p(s_i)_k`; soft labels count as they are.

    Reference:
        Which Assessment Should be Prioritized in Dataset Distillation?, 2023.
    """
    targets = evidence.judged.labels
    targets = targets.double() if targets.ndim == 2 else targets
    return Score(mean(float(F.cross_entropy(said, targets)) for said in evidence.logits), "lower")


@ASSESSMENTS.register("om-confidence")
def om_confidence(evidence: Evidence) -> Score:
    r"""Probability that original models give to the class they choose, right or wrong.

    :math:`\frac{1}{PM} \sum_{p,i} \max_k f_p(s_i)_k`. Labels have no part in it.

    Reference:
        Hendrycks and Gimpel, A Baseline for Detecting Misclassified and Out-of-Distribution
        Examples, ICLR 2017.
    """
    return Score(float(evidence.logits.softmax(-1).amax(-1).mean()), "higher")


@ASSESSMENTS.register("om-margin")
def om_margin(evidence: Evidence) -> Score:
    r"""Probability of the label less that of the likeliest other class, from -1 to 1.

    :math:`\frac{1}{PM} \sum_{p,i} f_p(s_i)_{y_i} - \max_{k \neq y_i} f_p(s_i)_k`.

    Reference:
        Schapire, Freund, Bartlett and Lee, Boosting the Margin, Annals of Statistics 1998.
    """
    shares = evidence.logits.softmax(-1)
    own = F.one_hot(evidence.judged.hard_labels, shares.shape[-1]).bool()
    others = shares.masked_fill(own, 0).amax(-1)
    return Score(float(((shares * own).sum(-1) - others).mean()), "higher")


@ASSESSMENTS.register("om-entropy")
def om_entropy(evidence: Evidence) -> Score:
    r"""Entropy of what original models say, in nats: how undecided they are.

    :math:`-\frac{1}{PM} \sum_{p,i} \sum_k f_p(s_i)_k \log f_p(s_i)_k`. Labels have no part in it.

    Reference:
        Shannon, A Mathematical Theory of Communication, 1948.
    """
    logs = evidence.logits.log_softmax(-1)
    return Score(float(-(logs.exp() * logs).sum(-1).mean()), "lower")


@ASSESSMENTS.register("om-agreement")
def om_agreement(evidence: Evidence) -> Score:
    r"""Share of pairs of original models that give an image the same class.

    With :math:`n_{ik}` of :math:`P` models choosing class :math:`k` for image :math:`i` it is
    :math:`\frac{1}{M} \sum_i \sum_k n_{ik} (n_{ik} - 1) / (P (P - 1))`; 1 for a pool of one.
    Labels have no part in it.

    Reference:
        Fleiss, Measuring Nominal Scale Agreement among Many Raters, 1971: the observed agreement.
    """
    logits = evidence.logits
    members, _, classes = logits.shape
    if members == 1:
        return Score(1.0, "higher")
    votes = F.one_hot(logits.argmax(-1), classes).sum(0).double()
    agreeing = (votes * (votes - 1)).sum(1) / (members * (members - 1))
    return Score(float(agreeing.mean()), "higher")
