"""Pictures of mixtures: implements the rendering ports.

`geometry` says what is to be drawn, in numbers; `figures` draws it; `gif` packs it.
A new picture is a module in `figures` for what it shows and one here that renders it.
"""

from service.rendering.animation import TrainingAnimation

__all__ = ["TrainingAnimation"]
