"""Two files per item, paired by the key in their names: vegetation from red and near-infrared grids."""

from dsl import DAG, Files, InFile, task

HEADER = 5  # lines of an ESRI ASCII grid before its cells


def index(red: str, nir: str) -> float:
    return (float(nir) - float(red)) / (float(nir) + float(red))


@task(output="{scene}-ndvi.asc")
def vegetation(red: InFile, nir: InFile, scene: str, output_file) -> dict:
    reds, nirs = red.read_text().splitlines(), nir.read_text().splitlines()
    lines = zip(reds[HEADER:], nirs[HEADER:], strict=True)
    rows = [list(map(index, a.split(), b.split())) for a, b in lines]
    cells = [" ".join(f"{cell:.3f}" for cell in row) for row in rows]
    output_file.write_text("\n".join([*reds[:HEADER], *cells, ""]))
    return {"scene": scene, "highest": round(max(map(max, rows)), 3)}


with DAG("pairs"):
    Files(red="data/scenes/{scene}-red.asc", nir="data/scenes/{scene}-nir.asc") >> vegetation
