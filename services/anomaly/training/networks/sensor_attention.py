"""Self-attention among the sensors of a window, with weights that can be read.

Vaswani et al. (2017), Attention Is All You Need, arXiv:1706.03762, with a whole sensor as one token (Liu et al. 2024,
iTransformer, arXiv:2310.06625): what attends to what is then a question about sensors, which is the one people ask.
Layers are normalised before they act, which trains without a warm-up (Xiong et al. 2020, arXiv:2002.04745).
"""

from torch import Tensor, nn


class SensorAttention(nn.Module):
    """One layer of attention and one of two dense steps, each added to its input.

    Parameters
    ----------
    width
        Numbers of a token; a multiple of `heads`.
    heads
        Attentions side by side.
    dropout
        Share of what each of the two adds that training leaves out.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.head_width = width // heads
        self.before_attention = nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.merge = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.before_dense = nn.LayerNorm(width)
        self.dense = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Mix `(b, c, width)` tokens; with the attention `(b, c)` that each sensor received.

        The attention is the mean over heads and over the sensors that attend: not negative, and 1 in sum.
        """
        normal = self.before_attention(tokens)
        query, key, value = (self._split(project(normal)) for project in (self.query, self.key, self.value))
        weights = (query @ key.transpose(2, 3) / self.head_width**0.5).softmax(dim=3)
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        tokens = tokens + self.dropout(self.merge(mixed))
        tokens = tokens + self.dropout(self.dense(self.before_dense(tokens)))
        return tokens, weights.mean(dim=(1, 2))

    def _split(self, tokens: Tensor) -> Tensor:
        """`(b, heads, c, width / heads)` of `(b, c, width)`."""
        return tokens.unflatten(2, (self.heads, self.head_width)).transpose(1, 2)  # type: ignore[no-untyped-call]
