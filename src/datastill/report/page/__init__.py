"""One page that opens from disk: what runs made, from what, and how it did."""
