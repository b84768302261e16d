"""Items that are no files: the keys of each one reach the task as variables or as parameters."""

from dsl import DAG, Items, task

STATIONS = [
    {"station": "Seattle", "latitude": 47.4, "altitude": 130},
    {"station": "Svalbard", "latitude": 78.2, "altitude": 28},
    {"station": "South Pole", "latitude": -90.0, "altitude": 2835},
]


@task.shell(image="busybox:1", output="{station}.txt")
def describe(station: str, latitude: float):
    return """
        case $latitude in -*) side=south ;; *) side=north ;; esac
        echo "$station lies ${latitude#-} degrees $side" > "$OUTPUT_FILE"
        cat "$OUTPUT_FILE" > "$RESULT_FILE"
    """


@task
def pressure(altitude: int) -> int:
    return round(1013.25 * (1 - 2.25577e-5 * altitude) ** 5.25588)


with DAG("items"):
    Items(STATIONS, size=2) >> [describe, pressure]
