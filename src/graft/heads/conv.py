"""A convolution on the feature map before it is averaged, for detail that the average loses."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import nn

from graft.errors import SettingError, must
from graft.heads._base import Head
from graft.heads.linear import check_dropout, small_linear


@dataclass(frozen=True, kw_only=True)
class Conv(Head):
    """Convolution, BatchNorm, GELU, global average, dropout, linear layer."""

    takes: ClassVar[Literal["vector", "map", "tokens"]] = "map"

    channels: int = 256
    """Number of filters."""
    kernel: int = 1
    """Side of the filters in cells of the map; odd."""
    dropout: float = 0.2
    """Share of the averaged channels that are set to zero in training."""

    def __post_init__(self) -> None:
        check_dropout(self.dropout)
        if self.channels < 1:
            raise SettingError(must("channels", "at least 1", self.channels, "Take 256, say"))
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise SettingError(must("kernel", "odd and at least 1", self.kernel, "Take 1 or 3"))

    def build(self, shape: tuple[int, ...], outputs: int) -> nn.Module:
        """Return the layers for inputs (n, C, H, W). Raises SettingError for any other shape."""
        if len(shape) != 3:
            raise SettingError(must("the conv head's input", "a map (C, H, W)", f"shape {shape}", "Take another head"))
        layer = nn.Conv2d(shape[0], self.channels, self.kernel, padding=self.kernel // 2, bias=False)
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        return nn.Sequential(
            layer,
            nn.BatchNorm2d(self.channels),
            nn.GELU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(self.dropout),
            small_linear(self.channels, outputs),
        )
