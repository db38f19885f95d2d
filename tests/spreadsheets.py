"""Workbooks of Excel, made here without a library that writes them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence

SHEET = "xl/worksheets/sheet1.xml"
_MAIN, _OFFICE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main", "http://schemas.openxmlformats.org"
_KINDS = f"{_OFFICE}/officeDocument/2006/relationships"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def workbook(names: Sequence[str], rows: Sequence[Sequence[float]]) -> dict[str, str]:
    """The parts of a workbook with one sheet: names as a header, and numbers, of which the first of each row is a date.

    Dates are days since 1899-12-30, as Excel keeps them: numbers with a style.
    """
    lines = ["".join(f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in names)]
    lines += [f'<c s="1"><v>{day}</v></c>' + "".join(f"<c><v>{value}</v></c>" for value in bar) for day, *bar in rows]
    types = "".join(
        f'<Override PartName="/xl/{part}.xml" ContentType="{_TYPE}.{kind}+xml"/>'
        for part, kind in (("workbook", "sheet.main"), ("worksheets/sheet1", "worksheet"), ("styles", "styles"))
    )
    return {
        "[Content_Types].xml": f'<Types xmlns="{_OFFICE}/package/2006/content-types">'
        f'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>{types}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{_OFFICE}/package/2006/relationships">'
        f'<Relationship Id="a" Type="{_KINDS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_OFFICE}/package/2006/relationships">'
        f'<Relationship Id="b" Type="{_KINDS}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="c" Type="{_KINDS}/styles" Target="styles.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_KINDS}"><sheets>'
        '<sheet name="Prices" sheetId="1" r:id="b"/></sheets></workbook>',
        "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>',
        SHEET: f'<worksheet xmlns="{_MAIN}"><sheetData>'
        + "".join(f"<row>{line}</row>" for line in lines)
        + "</sheetData></worksheet>",
    }


def packed(parts: Mapping[str, str | bytes]) -> bytes:
    """The file that holds the parts of a workbook."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()
