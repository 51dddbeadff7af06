"""Whether a workbook is small enough to be opened, for whoever reads other workbooks than cards."""

from __future__ import annotations

from autocard.errors import UnreadableSource


def workbook_problem(data: bytes, *, most_bytes: int) -> str:
    """
    Return why the XLSX workbook *data* must not be given to its reader, or "".

    The reader makes room for every cell up to the last one, and where it gets no memory the whole
    process ends. What the workbook says about its own sizes is not believed.

    Args:
        data: The whole file.
        most_bytes: How much it may unpack to.
    """
    # Here and not above: who imports autocard.spi seldom reads workbooks.
    from autocard.importing.workbooks import guarded, measure

    try:
        guarded(lambda: measure(data, most_bytes))
    except UnreadableSource as error:  # ours: it quotes no cell
        # What may be raised is a setting of card files; this limit is fixed.
        return str(error).partition(", or raise ")[0]
    return ""
