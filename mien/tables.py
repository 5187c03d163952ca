"""What a terminal shows of an answer."""

from __future__ import annotations

from rich import box
from rich.table import Table

from mien.v1 import mien_pb2 as pb

EXPRESSIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")


def faces_table(reply: pb.GatewayClassifyResponse) -> Table:
    """A row for each face: box in pixels, detector's score, and the seven probabilities in percent."""
    size, model = reply.image, reply.model
    faces = "1 face" if len(reply.faces) == 1 else f"{len(reply.faces)} faces"
    table = Table(
        title=f"{faces} in {size.width} x {size.height} pixels, {model.name} version {model.version}",
        caption="An expression shown is not an emotion felt.",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=0,  # so that the seven names stand whole in 80 columns
    )
    for column in ("box", "score", *EXPRESSIONS):
        table.add_column(column, justify="right", no_wrap=True)
    for item in reply.faces:
        at, shares = item.face.box, [getattr(item.probabilities, name) for name in EXPRESSIONS]
        cells = [f"[bold]{share:.0%}[/]" if share == max(shares) else f"{share:.0%}" for share in shares]
        table.add_row(f"{at.x:.0f},{at.y:.0f} {at.width:.0f}x{at.height:.0f}", f"{item.face.score:.2f}", *cells)
    return table
