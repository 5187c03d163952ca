"""What a terminal shows of an answer."""

from __future__ import annotations

from rich.table import Table

from mien.v1 import mien_pb2 as pb

EXPRESSIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")


def faces_table(reply: pb.GatewayClassifyResponse) -> Table:
    """A row for each face: box in pixels, detector's score, and the seven probabilities in percent."""
    size, model = reply.image, reply.model
    table = Table(
        title=f"{len(reply.faces)} faces in {size.width} x {size.height} pixels, {model.name} version {model.version}",
        caption="An expression shown is not an emotion felt.",
    )
    for column in ("box", "score", *EXPRESSIONS):
        table.add_column(column, justify="right")
    for item in reply.faces:
        box, shares = item.face.box, [getattr(item.probabilities, name) for name in EXPRESSIONS]
        cells = [f"[bold]{share:.0%}[/]" if share == max(shares) else f"{share:.0%}" for share in shares]
        table.add_row(f"{box.x:.0f},{box.y:.0f} {box.width:.0f}x{box.height:.0f}", f"{item.face.score:.2f}", *cells)
    return table
