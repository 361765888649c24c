"""What is to be drawn, as numbers: no colours, no pixels, no matplotlib.

Drawing happens in the unit square. A `Projection` takes rows and covariances to one
or two coordinates, a `Window` takes those to [0, 1], so that data of any scale and
offset reach the canvas as harmless numbers; `ticks` writes the real values beside it.
"""
