"""Two files per item, paired by the key in their names: the vegetation index of red and near-infrared grids."""

from dsl import DAG, Files, InFile, task

HEADER = 5  # lines of an ESRI ASCII grid before its cells


@task(output="{scene}-ndvi.asc")
def vegetation(red: InFile, nir: InFile, scene: str, output_file) -> dict:
    lines, others = red.read_text().splitlines(), nir.read_text().splitlines()
    rows = [
        [
            (float(n) - float(r)) / (float(n) + float(r))
            for r, n in zip(line.split(), other.split(), strict=True)
        ]
        for line, other in zip(lines[HEADER:], others[HEADER:], strict=True)
    ]
    cells = [" ".join(f"{cell:.3f}" for cell in row) for row in rows]
    output_file.write_text("\n".join([*lines[:HEADER], *cells, ""]))
    return {"scene": scene, "highest": round(max(map(max, rows)), 3)}


with DAG("pairs"):
    Files(red="data/scenes/{scene}-red.asc", nir="data/scenes/{scene}-nir.asc") >> vegetation
