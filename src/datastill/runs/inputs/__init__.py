"""What a run begins with: real images, original models, where and how it computes."""
