"""The table of codes: permanent ids, hundreds by stage. A code is one mistake, mended in one way.

1xx load, 2xx author and graph, 3xx plan, 4xx manifest, 5xx run. `dsl explain ID` prints `explain/<slug>.md`.
"""

from __future__ import annotations

from enum import Enum


class Severity(Enum):
    """How bad a finding is: an error prevents a manifest, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


class Code(Enum):
    """One kind of mistake; `id` is permanent, `slug` names its page in `explain/`."""

    FILE_NOT_FOUND = "DSL101", Severity.ERROR, "the file does not exist"
    FILE_UNREADABLE = "DSL102", Severity.ERROR, "the file cannot be read as Python text"
    SYNTAX = "DSL103", Severity.ERROR, "the file is not valid Python"
    IMPORT_FAILED = "DSL104", Severity.ERROR, "the file raised an exception while it was loaded"
    LOAD_TIMEOUT = "DSL105", Severity.ERROR, "loading the file took too long"
    LOAD_EXITED = "DSL106", Severity.ERROR, "the file ended Python while it was loaded"
    NO_DAG = "DSL107", Severity.ERROR, "the file defines no DAG"
    DUPLICATE_DAG = "DSL108", Severity.ERROR, "two DAGs share a name"

    DEPENDENCY_CYCLE = "DSL201", Severity.ERROR, "nodes wait for one another"
    SELF_EDGE = "DSL202", Severity.ERROR, "a node waits for itself"
    DUPLICATE_TASK_ID = "DSL203", Severity.ERROR, "two nodes share a task_id"
    INVALID_NAME = "DSL204", Severity.ERROR, "a name cannot be used in Argo"
    UNKNOWN_OPTION = "DSL205", Severity.ERROR, "an option does not exist"
    INVALID_OPTION = "DSL206", Severity.ERROR, "an option has a value it cannot have"
    MISSING_IMAGE = "DSL207", Severity.ERROR, "a shell or container task names no image"
    UNKNOWN_ARGUMENT = "DSL208", Severity.ERROR, "an argument names no parameter of the function"
    MISSING_ARGUMENT = "DSL209", Severity.ERROR, "a parameter gets no value"
    NOT_A_NODE = "DSL210", Severity.ERROR, "something in a chain is not a task, a source or a list of them"
    NO_OPEN_DAG = "DSL211", Severity.ERROR, "a chain is written outside a DAG"
    FOREIGN_NODE = "DSL212", Severity.ERROR, "a node of another DAG is used here"
    SHELL_BODY = (
        "DSL213",
        Severity.ERROR,
        "the body of a shell or container task cannot be built at compile time",
    )
    INVALID_PARAMETER_NAME = "DSL214", Severity.ERROR, "a parameter's name cannot be a variable of the task"
    CONDITION_AS_BOOL = "DSL215", Severity.ERROR, "an output is used as a Python truth value"
    NOT_JSON = "DSL216", Severity.ERROR, "a value cannot be written as JSON"
    UNSAFE_STRING = "DSL217", Severity.ERROR, "a string cannot reach the task through this channel"
    CANNOT_TRAVEL = "DSL218", Severity.ERROR, "a Python task uses something that cannot be shipped"
    BARE_AND_CALLED = "DSL219", Severity.WARNING, "a function is used both bare and called in one DAG"
    AMBIGUOUS_READING = "DSL220", Severity.ERROR, "a task reads both single items and everything"
    EMPTY_DAG = "DSL221", Severity.ERROR, "a DAG has no nodes"
    NO_VALUE = "DSL222", Severity.ERROR, "the value of a task that has none is used"
    UNKNOWN_RUN_PARAMETER = "DSL223", Severity.ERROR, "the DAG has no such parameter"
    UNSUPPORTED = "DSL224", Severity.ERROR, "a construct that this version does not have"
    UNDECLARED_VARIABLE = "DSL225", Severity.WARNING, "a shell task uses a variable that nothing sets"

    NO_MATCH = "DSL301", Severity.ERROR, "a pattern matches no file"
    PARTITION_SIZE = "DSL302", Severity.ERROR, "a partition's size, count or weight is impossible"
    UNPAIRED_KEYS = "DSL303", Severity.ERROR, "files of several patterns do not pair"
    UNEQUAL_ZIP = "DSL304", Severity.ERROR, "zipped lists differ in length"
    TWO_SOURCES = "DSL305", Severity.ERROR, "one node gets its items from two sources"
    SOURCE_IN_CHAIN = (
        "DSL306",
        Severity.ERROR,
        "a source in the middle of a chain hides the files written before it",
    )
    NO_FILES_TO_READ = "DSL307", Severity.ERROR, "a task reads files but none reach it"
    NO_COMMON_SOURCE = "DSL308", Severity.ERROR, "upstreams of one task do not share a source"
    AMBIGUOUS_FILE = "DSL309", Severity.ERROR, "one input_file under several file upstreams"
    OUTPUT_COLLISION = "DSL310", Severity.ERROR, "two items write the same output name"
    INVALID_OUTPUT_NAME = "DSL311", Severity.ERROR, "an output name is not usable"
    OUTPUT_REQUIRED = "DSL312", Severity.ERROR, "a gather or crossing writes files but names no output"
    UNKNOWN_KEY = "DSL313", Severity.ERROR, "a key is used where it does not exist"
    FILES_UNREAD = "DSL314", Severity.WARNING, "files reach a task that does not read them"
    REPARTITION = "DSL315", Severity.ERROR, "a Repartition has nothing known to divide"
    CONDITION_VALUE = "DSL316", Severity.ERROR, "a condition needs one value per partition"
    NEVER_RUNS = "DSL317", Severity.ERROR, "a node can never run"
    SKIPPABLE_VALUE = "DSL318", Severity.ERROR, "a value may be absent and has no default"
    PARTITION_TOO_LARGE = "DSL319", Severity.ERROR, "a partition's items do not fit into a pod's environment"
    PATH_OUTSIDE = "DSL320", Severity.ERROR, "files lie outside the folder of the DAG file"
    EACH_MISMATCH = "DSL325", Severity.ERROR, "what a task reads does not fit how often it runs"

    ORCHESTRATOR_REFUSED = "DSL401", Severity.ERROR, "an orchestrator refused its node"
    STATUS_SIZE = "DSL402", Severity.WARNING, "a run's status outgrows what Argo stores without a database"
    MANIFEST_SIZE = "DSL403", Severity.ERROR, "a manifest is larger than Kubernetes stores"
    TEMPLATE_COUNT = "DSL404", Severity.ERROR, "a workflow has more templates or tasks than Argo accepts"
    MANY_SLOTS = "DSL405", Severity.WARNING, "every file of a partition is an artifact of its pod"

    @property
    def id(self) -> str:
        """The permanent id, as in `DSL201`."""
        return self.value[0]

    @property
    def severity(self) -> Severity:
        """Whether it prevents a manifest."""
        return self.value[1]

    @property
    def summary(self) -> str:
        """The mistake in a few words."""
        return self.value[2]

    @property
    def slug(self) -> str:
        """The name of its page, as in `dependency-cycle`."""
        return self.name.lower().replace("_", "-")
