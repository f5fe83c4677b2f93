"""The kinds of detector there are, and every setting of each with its default and its bounds."""
