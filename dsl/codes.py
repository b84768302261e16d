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

    ORCHESTRATOR_REFUSED = "DSL401", Severity.ERROR, "an orchestrator refused its node"
    STATUS_SIZE = "DSL402", Severity.WARNING, "a run's status outgrows what Argo stores without a database"
    MANIFEST_SIZE = "DSL403", Severity.ERROR, "a manifest is larger than Kubernetes stores"
    TEMPLATE_COUNT = "DSL404", Severity.ERROR, "a workflow has more templates or tasks than Argo accepts"
    MANY_SLOTS = "DSL405", Severity.WARNING, "every file of a partition is an artifact of its pod"

    MANIFEST_SYNTAX = "DSL410", Severity.ERROR, "a document is not a YAML or JSON mapping"
    UNKNOWN_KIND = "DSL411", Severity.ERROR, "a document of Argo's has no kind that Argo knows"
    DUPLICATE_KEY = "DSL412", Severity.ERROR, "a key is set twice"
    UNKNOWN_FIELD = "DSL413", Severity.ERROR, "a field does not exist"
    WRONG_TYPE = "DSL414", Severity.ERROR, "a field has a value of another type"
    DUPLICATE_MANIFEST = "DSL415", Severity.ERROR, "two manifests to refer to share a name"
    MISSING_FIELD = "DSL416", Severity.ERROR, "a field that Argo requires is missing"
    OUT_OF_LIMITS = "DSL417", Severity.ERROR, "a value is not one that Argo accepts here"
    EXCLUSIVE_FIELDS = "DSL418", Severity.ERROR, "fields that exclude one another are both set"
    KUBECTL_ONLY = "DSL419", Severity.WARNING, "argo submit takes this, kubectl apply refuses it"
    IGNORED_FIELD = "DSL420", Severity.WARNING, "Argo drops a field without a word"

    OBJECT_NAME = "DSL430", Severity.ERROR, "a manifest has a name that it cannot have"
    FIELD_NAME = "DSL431", Severity.ERROR, "a template, task, parameter or artifact has no usable name"
    DUPLICATE_NAME = "DSL432", Severity.ERROR, "two elements of a list share a name"
    NO_ENTRYPOINT = "DSL433", Severity.ERROR, "a workflow names no template to start with"
    UNKNOWN_TEMPLATE = "DSL434", Severity.ERROR, "a template that does not exist is called"
    UNKNOWN_REFERENCE = "DSL435", Severity.ERROR, "a manifest that was not given is referred to"
    CALL = "DSL436", Severity.ERROR, "a task does not say which one template it calls"
    TEMPLATE_TYPE = "DSL437", Severity.ERROR, "a template has no type, or several"
    MISPLACED_FIELD = "DSL438", Severity.ERROR, "a field does not belong into this kind of template"
    ARGUMENT = "DSL439", Severity.ERROR, "an argument has no value that Argo could pass"
    MISSING_INPUT = "DSL440", Severity.ERROR, "a call leaves out an input of its template"
    UNRESOLVED_TAG = "DSL441", Severity.ERROR, "a tag names what does not exist at its place"
    BROKEN_TAG = "DSL442", Severity.ERROR, "a tag has no end, or breaks the text around it"
    UNKNOWN_TASK = "DSL443", Severity.ERROR, "a DAG waits for a task that it does not have"
    TASK_CYCLE = "DSL444", Severity.ERROR, "tasks wait for one another"
    MIXED_DEPENDS = "DSL445", Severity.ERROR, "two ways to say what a task waits for are mixed"
    TASK_RESULT = "DSL446", Severity.ERROR, "a task has no such result"
    LOOP = "DSL447", Severity.ERROR, "a loop has two sources of items"
    HOOK_EXPRESSION = "DSL448", Severity.ERROR, "a hook does not say when it runs"
    NO_IMAGE = "DSL449", Severity.ERROR, "a container or script has no image"
    MOUNT_COLLISION = "DSL450", Severity.ERROR, "two things are mounted at one path"
    CONTAINER_SET = "DSL451", Severity.ERROR, "the containers of a set do not fit together"
    RESERVED_NAME = "DSL452", Severity.ERROR, "a container has a name that Argo keeps for its own"
    RESOURCE = "DSL453", Severity.ERROR, "a resource template says not what to do with which manifest"
    ARTIFACT_PATH = "DSL454", Severity.ERROR, "an artifact has no path, or one that leaves its folder"
    ARTIFACT_LOCATION = "DSL455", Severity.ERROR, "an artifact does not say where it is"
    OUTPUT_SOURCE = "DSL456", Severity.ERROR, "an output does not say in one way where its value is"
    METRIC = "DSL457", Severity.ERROR, "a metric lacks what Prometheus needs"
    SCHEDULE = "DSL458", Severity.ERROR, "a schedule or time zone cannot be read"
    UNORDERED_INPUT = "DSL459", Severity.ERROR, "an argument comes from a task that is not waited for"

    DEPENDS_SYNTAX = "DSL470", Severity.WARNING, "depends cannot be evaluated when the workflow runs"
    WHEN_SYNTAX = "DSL471", Severity.WARNING, "when cannot be evaluated when the workflow runs"
    EXPRESSION_SYNTAX = "DSL472", Severity.WARNING, "an expression cannot be parsed when the workflow runs"
    NEVER_RESOLVED = "DSL473", Severity.WARNING, "a tag waits for ever for a task that does not come before"
    ABSENT_OUTPUT = "DSL474", Severity.WARNING, "an output is read of a task that may be skipped"
    LOOP_TAG = "DSL475", Severity.WARNING, "text in braces makes a loop fail"
    LOOP_ITEMS = "DSL476", Severity.WARNING, "a loop cannot make items of this"
    LOOP_ITEM = "DSL477", Severity.WARNING, "a tag reads what an item does not have"
    RETRY = "DSL478", Severity.WARNING, "a retryStrategy fails or never ends"
    MEMOIZE = "DSL479", Severity.WARNING, "a cache cannot have this key or age"
    DURATION = "DSL480", Severity.WARNING, "a duration cannot be read when the workflow runs"
    HOOK = "DSL481", Severity.WARNING, "a hook fails after its task has ended"
    CONTROL_CHARACTER = "DSL482", Severity.WARNING, "a value has characters that break tags"
    METADATA = "DSL483", Severity.WARNING, "a label or annotation is refused when the workflow runs"
    HIDDEN_MOUNT = "DSL484", Severity.WARNING, "an artifact's path hides a volume"
    UNUSED_ARGUMENT = "DSL485", Severity.WARNING, "an argument is not an input of the template"
    LOST_VALUE = "DSL486", Severity.WARNING, "a list or mapping as a parameter's value is lost"

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
