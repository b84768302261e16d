"""The program of a warm interpreter: for every task a fork of its own, which runs a program as its main one.

It is run by its path and imports nothing of ours: a child has to be what a fresh interpreter would be that
has executed the program's first imports. Nothing of a program runs here but those.
"""

FIRST = dict(globals())  # what the main module of any program begins with

import os
import sys

BEFORE = set(sys.modules)
import _imp
import _signal  # type: ignore[import-not-found]  # what `signal` wraps, which is not loaded here
import _socket
import atexit
import gc
import marshal
import select

for name in sys.modules.keys() - BEFORE:  # the program has to find them anew
    del sys.modules[name]

HAVE_GC = 1 << 14  # `Py_TPFLAGS_HAVE_GC`: instances of other types are in no list of objects
TYPE_CHECKING = False  # `types` and `typing` are modules that a program may not have
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any


def begin() -> "tuple[int, CodeType]":
    """Read the imports and the program; return the connection and the code."""
    del sys.path[0]  # the folder of this file
    control = int(sys.argv[1])
    imports, source = marshal.loads(received(control))
    exec(compile(imports, "script", "exec", dont_inherit=True), {"__name__": "__main__"})
    code = compile(source, "script", "exec", dont_inherit=True)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if os.fstat(1).st_size:  # a warning, or a module that prints: every program is to say it
        os._exit(1)
    return control, code


def execute(code: "CodeType", names: dict[str, object]) -> None:
    """Run a program as the main module; what it raises is told as a fresh interpreter would.

    Then this process ends, or the caller returns to the interpreter's own end.
    """
    _imp._fix_co_filename(code, names["__file__"])  # type: ignore[attr-defined]  # as importlib does
    sys.modules["__main__"] = type(sys)("__main__")
    own = vars(sys.modules["__main__"])
    own.clear()
    own.update(names)
    status, failed = 0, None
    try:
        exec(code, own)
    except SystemExit as left:
        if left.code is not None and not (type(left.code) is int and 0 <= left.code < 256):
            raise
        status = left.code or 0
    except BaseException as error:
        failed = error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
    if failed:
        tell(failed)
        if isinstance(failed, KeyboardInterrupt):  # ends the process by the signal
            sys.excepthook = lambda *_: None
            raise failed
        raise SystemExit(1)
    leave(status)
    raise SystemExit(status)


def tell(error: BaseException) -> None:
    """Do what the interpreter does with an exception that nobody caught."""
    trace = error.__traceback__
    last = {"last_type": type(error), "last_value": error, "last_traceback": trace}
    vars(sys).update(last if sys.version_info < (3, 12) else {**last, "last_exc": error})
    for stream in (sys.stderr, sys.stdout):
        try:
            stream.flush()
        except Exception:
            pass
    try:
        sys.excepthook(type(error), error, trace)
    except SystemExit:
        raise
    except BaseException as second:
        print("Error in sys.excepthook:", file=sys.stderr)
        second.__traceback__ = second.__traceback__ and second.__traceback__.tb_next
        sys.__excepthook__(type(second), second, second.__traceback__)
        print("\nOriginal exception was:", file=sys.stderr)
        sys.__excepthook__(type(error), error, trace)


def leave(status: int) -> None:
    """End as an interpreter does, without taking everything apart where nobody has anything to say about it.

    That would touch all the memory that is shared with the other children. It returns where an object has
    last words, or a stream cannot be written to.
    """
    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()
    atexit._run_exitfuncs()
    streams: list[Any] = [sys.stdout, sys.stderr]
    try:
        ours = [part for each in streams for part in (each, each.buffer, each.buffer.raw)]
        for each in streams:
            each.flush()
    except Exception:
        return
    untracked = [each for each in gc.get_objects() if type(each) is type and not each.__flags__ & HAVE_GC]
    if any(hasattr(each, "__del__") for each in untracked):
        return
    speaking = [each for each in gc.get_objects() if hasattr(type(each), "__del__")]
    if all(any(each is part for part in ours) for each in speaking):
        os._exit(status)


def received(source: int) -> bytes:
    """Return what was sent as one piece. Raises EOFError."""
    size = int.from_bytes(exactly(source, 8), "big")
    return exactly(source, size)


def exactly(source: int, size: int) -> bytes:
    """Return `size` bytes. Raises EOFError."""
    found = b""
    while len(found) < size:
        chunk = os.read(source, size - len(found))
        if not chunk:
            raise EOFError
        found += chunk
    return found


def serve(control: int, code: "CodeType") -> "tuple[CodeType, dict[str, object]]":
    """Fork for each request and say how each child ended; return in a child alone.

    The end of the connection is the end of the engine, however that ended, and so of the children.
    """
    coerced = dict(os.environ)
    os.environ.clear()
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    _signal.set_wakeup_fd(waker)
    _signal.signal(_signal.SIGCHLD, lambda *_: None)
    connection = _socket.socket(fileno=control)
    children: dict[int, int] = {}
    gc.collect()
    gc.freeze()  # what the children share stays shared
    while True:
        ready = select.select([control, woken], [], [])[0]
        if woken in ready:
            os.read(woken, 65536)
            reap(children)
        if control not in ready:
            continue
        found, rights, _, _ = connection.recvmsg(1, _socket.CMSG_SPACE(12))
        if not found:
            break
        reply, out, err = memoryview(rights[0][2]).cast("i")
        child = os.fork()
        if not child:
            _signal.set_wakeup_fd(-1)
            _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
            for each in (connection.detach(), woken, waker, *children.values()):
                os.close(each)
            try:
                return code, become(reply, out, err, coerced)
            except BaseException:
                os._exit(1)
        children[child] = reply
        os.close(out)
        os.close(err)
    for child in children:
        end(child)
    os._exit(0)


def reap(children: dict[int, int]) -> None:
    """Tell of each child that has ended, once nothing is left of its group."""
    while children:
        child, status = os.waitpid(-1, os.WNOHANG)
        if not child:
            return
        end(child)
        reply = children.pop(child)
        try:
            os.write(reply, b"e%8d" % os.waitstatus_to_exitcode(status))
        except OSError:  # the engine asks no more
            pass
        os.close(reply)


def end(group: int) -> None:
    """Kill what is left of a group."""
    try:
        os.killpg(group, 9)
    except OSError:
        pass


def become(reply: int, out: int, err: int, coerced: dict[str, str]) -> dict[str, object]:
    """Make this child what a fresh interpreter would be; return the names of its main module."""
    os.setsid()
    script, folder, env = marshal.loads(received(reply))
    os.chdir(folder)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.write(reply, b"s%8d" % os.getpid())
    for each in (reply, out, err):  # what the imports opened stays, as in a fresh interpreter
        os.close(each)
    os.environ.update({**env, **{name: coerced[name] for name in coerced.keys() - env.keys()}})
    sys.argv, sys.orig_argv = [script], [*sys.orig_argv[:1], script]
    sys.path.insert(0, os.path.dirname(script))
    for number, name in ((1, "stdout"), (2, "stderr")):
        made = stream(number, getattr(sys, name))
        setattr(sys, name, made)
        setattr(sys, f"__{name}__", made)
    loader = type(FIRST["__loader__"])("__main__", script)
    return {**FIRST, "__doc__": None, "__file__": script, "__loader__": loader}


def stream(number: int, former: "Any") -> "Any":  # noqa: ANN401 - the class is in a module not loaded yet
    """Return a standard stream as the interpreter makes it of what is open now."""
    buffer: Any = open(number, "wb", closefd=False)
    buffer.raw.name = former.name
    made: Any = type(former)(
        buffer, former.encoding, former.errors, newline="\n", line_buffering=former.line_buffering
    )
    made.mode = "w"
    return made


if __name__ == "__main__":
    try:
        execute(*serve(*begin()))
    finally:
        gc.unfreeze()
