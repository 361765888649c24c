"""From numbers to pixels: the only code that touches matplotlib."""
