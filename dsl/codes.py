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
    FILE_UNREADABLE = "DSL102", Severity.ERROR, "the file cannot be read as text"
    SYNTAX = "DSL103", Severity.ERROR, "the file is not valid Python"
    IMPORT_FAILED = "DSL104", Severity.ERROR, "the file raised an exception while it was loaded"
    LOAD_TIMEOUT = "DSL105", Severity.ERROR, "loading the file took too long"
    LOAD_EXITED = "DSL106", Severity.ERROR, "the file ended Python while it was loaded"
    NO_DAG = "DSL107", Severity.ERROR, "the file defines no DAG"
    DUPLICATE_DAG = "DSL108", Severity.ERROR, "two DAGs share a name"
    WORK_AT_IMPORT = "DSL109", Severity.WARNING, "the file does work while it is loaded"
    UNOPENED_DAG = "DSL110", Severity.ERROR, "a DAG is made and never opened"
    UNUSED_FUNCTION = "DSL111", Severity.WARNING, "a task is in no DAG"
    COMPARED_IN_CHAIN = "DSL112", Severity.ERROR, "a comparison stands where a chain is meant"
    COMMA_IN_CHAIN = "DSL113", Severity.ERROR, "a comma ends a chain before what it should hold"
    IDLE_TASK = "DSL114", Severity.WARNING, "a statement names a task and makes no node of it"
    PLAINTEXT_SECRET = "DSL115", Severity.WARNING, "a secret stands in the file"
    REDEFINED_TASK = "DSL116", Severity.WARNING, "a task is replaced by another of its name"
    UNUSED_IGNORE = "DSL121", Severity.WARNING, "a comment ignores nothing"

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
    SHELL_BODY = "DSL213", Severity.ERROR, "a parameter is used while the text of its task is built"
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
    INVALID_DURATION = "DSL226", Severity.ERROR, "a duration cannot be read"
    INVALID_RESOURCE = "DSL227", Severity.ERROR, "a resource is no quantity"
    INVALID_RETRIES = "DSL228", Severity.ERROR, "a number of retries, or an exit code, is impossible"
    INVALID_TRIGGER_RULE = "DSL229", Severity.ERROR, "there is no such trigger rule"
    INVALID_IMAGE = "DSL230", Severity.ERROR, "an image cannot have that name"
    INVALID_ENVIRONMENT = "DSL231", Severity.ERROR, "a variable of env= cannot be set"
    IDLE_OPTION = "DSL232", Severity.WARNING, "an option changes nothing"
    INVALID_SCHEDULE = "DSL233", Severity.ERROR, "a schedule is no cron expression"
    INVALID_TIME_ZONE = "DSL234", Severity.ERROR, "there is no such time zone"
    UNFIT_FUNCTION = "DSL235", Severity.ERROR, "what is decorated cannot run as a task"
    UNKNOWN_ATTRIBUTE = "DSL236", Severity.ERROR, "a method or an attribute does not exist"
    OUTPUT_ITERATED = "DSL237", Severity.ERROR, "an output is iterated or searched before there is a value"
    OUTPUT_IN_TEXT = "DSL238", Severity.ERROR, "an output is formatted before there is a value"
    OUTPUT_COMPUTED = "DSL239", Severity.ERROR, "an output is computed with before there is a value"
    BODY_RAISED = "DSL240", Severity.ERROR, "the body of a shell or container task raised an exception"
    BODY_RETURNED = "DSL241", Severity.ERROR, "the body of a shell or container task returned no text"
    SHELL_SYNTAX = "DSL242", Severity.ERROR, "the text of a shell task is no valid sh"
    CARRIAGE_RETURN = "DSL243", Severity.ERROR, "the text of a shell task has the line ends of Windows"
    POSITIONAL_VARIABLE = "DSL244", Severity.WARNING, "a shell task reads positional arguments, and gets none"
    UNWRITTEN_OUTPUT = "DSL245", Severity.WARNING, "a task never uses the path that it has to write to"
    UNDEFINED_NAME = "DSL246", Severity.ERROR, "a Python task uses a name that is defined nowhere"
    STATE_CHANGED = "DSL247", Severity.ERROR, "a Python task changes a variable of its module"
    DSL_IN_TASK = "DSL248", Severity.ERROR, "a Python task uses dsl"
    TASK_IN_TASK = "DSL249", Severity.ERROR, "a Python task calls another task"
    MISSING_MODULE = "DSL250", Severity.WARNING, "a Python task imports what its image lacks"
    UNUSED_RUN_PARAMETER = "DSL251", Severity.WARNING, "no task takes a parameter of the DAG"
    COLLIDING_NAMES = "DSL252", Severity.WARNING, "two nodes would have one name in Argo"
    COMMAND_FOR_VARIABLE = "DSL253", Severity.WARNING, "a shell task runs a parameter as a command"
    SHELL_IN_ARGV = "DSL254", Severity.WARNING, "a container task is written as if a shell read it"
    OPTION_OF_RUN = "DSL255", Severity.ERROR, "an option has a value that only the run knows"
    UNFOLLOWED_LINK = "DSL256", Severity.WARNING, "a task reads its inputs with what does not follow links"
    BARE_ON_VOLUME = "DSL291", Severity.ERROR, "a container task has files on a volume"
    UNFINISHED_FILES = "DSL292", Severity.ERROR, "a task may read files of a container task that failed"

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
    FOLDER_PATTERN = "DSL321", Severity.ERROR, "a pattern names a folder and no files"
    FORGIVEN_FAILURE = "DSL322", Severity.WARNING, "the run succeeds although a node failed"
    PATH_AS_FILE = "DSL323", Severity.ERROR, "a path is given where a file of the run is taken"
    LOCAL_PATH = "DSL324", Severity.WARNING, "a task gets the path of a file that its pod does not have"
    EACH_MISMATCH = "DSL325", Severity.ERROR, "what a task reads does not fit how often it runs"
    FOLDER_UNREADABLE = "DSL326", Severity.ERROR, "a pattern leads into a folder that cannot be listed"
    PART_OF_VALUE = "DSL391", Severity.WARNING, "a part of a value may change on its way to a shell"
    STATUS_LIMIT = "DSL392", Severity.WARNING, "a run's status is larger than Argo stores"

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
    NO_MANIFEST = "DSL421", Severity.ERROR, "the file holds no manifest of Argo's"

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
    def is_unread(self) -> bool:
        """Whether the file could not be loaded, so that nothing else is known of it."""
        return "DSL101" <= self.id <= "DSL106"

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
