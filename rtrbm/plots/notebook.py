"""The figure that shows itself in a notebook. This module imports matplotlib and Pillow."""

import io

from matplotlib import figure
from PIL import Image

DOTS_PER_INCH = 120  # at this, the letters are as large as a notebook's own


class Figure(figure.Figure):
    """A matplotlib figure outside of pyplot, with a picture for notebooks."""

    def _repr_png_(self):
        drawn, small = io.BytesIO(), io.BytesIO()
        self.savefig(drawn, format="png", dpi=DOTS_PER_INCH)
        with Image.open(drawn) as picture:  # 256 colours have a third of the bytes
            few = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(small, "PNG", optimize=True)
        return small.getvalue()
