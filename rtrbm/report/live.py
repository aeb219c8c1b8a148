"""A page that shows the runs in a folder while they go on, for this machine alone."""

from __future__ import annotations

import pathlib
import re
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .. import checks
from ..callbacks import Log
from ..minibatches.bounds import check_regular
from ..training import files
from ..training.restored import check_progress, restored_history
from ..types import Path
from . import drawn
from .html import as_json, page

LEFT_ASIDE = re.compile(r"\.previous-\d+\.h5$")  # models of earlier runs, which scripts keep
COLUMNS = ",".join(Log.COLUMNS)
LONGEST = 1000  # characters of a line of a log


def watch(folder: Path, port: int = 0) -> None:
    """Serve a page that shows the learning curves of the runs in a folder, until Ctrl-C.

    It reads the model files and checkpoints (``fit(checkpoint="FOLDER/run.h5")``) and the logs
    (``rtrbm.callbacks.Log("FOLDER/log.csv")``) there, and writes nothing. A browser on this machine sees the page under
    the address that is printed. No other machine does.

    Parameters
    ----------
    folder : path-like
    port : int
        0: any port that is free.

    Raises
    ------
    TypeError, ValueError
        If `folder` is no folder, or `port` no number of a port.
    OSError
        If the port is taken.
    """
    with server(folder, port) as serving:
        print(f"http://127.0.0.1:{serving.server_port}/ shows {str(folder)!r}; Ctrl-C ends", flush=True)
        try:
            serving.serve_forever()
        except KeyboardInterrupt:
            print()


def server(folder, port=0):
    """The server of `watch`, bound to its port; `serve_forever` runs it."""
    checks.check_count("port", port, 0)
    if port > 65535:
        raise ValueError(f"port must be at most 65535, got {port}")
    folder = pathlib.Path(folder).expanduser()
    if not folder.is_dir():
        raise ValueError(f"folder must be a folder with the files of a run, there is no {str(folder)!r}")
    runs = Runs(folder)

    class Handler(BaseHTTPRequestHandler):
        """Answers GET of two paths, asked for under this machine's own name."""

        timeout = 10  # seconds: a connection that sends nothing is closed

        def do_GET(self):
            port = self.server.server_port
            if self.headers.get("Host") not in (f"127.0.0.1:{port}", f"localhost:{port}"):
                self.send_error(403, "Only this machine may ask")  # a name of somebody else's that leads here
            elif self.path == "/":
                self._send("text/html; charset=utf-8", _page(folder, runs.state()))
            elif self.path == "/state.json":
                self._send("application/json", as_json(runs.state()))
            else:
                self.send_error(404)

        def _send(self, kind, content):
            content = content.encode()
            self.send_response(200)
            headers = {
                "Content-Type": kind,
                "Content-Length": str(len(content)),
                "Cache-Control": "no-store",
                "X-Content-Type-Options": "nosniff",
                "X-Frame-Options": "DENY",
                "Cross-Origin-Resource-Policy": "same-origin",
            }
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            """Print nothing: the page asks every few seconds."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def _page(folder, state):
    name = folder.resolve().name
    title = f"{name}, live"
    body = (
        '<header class="top"><h1>A run as it goes on</h1><p class="lead">The learning curves of the files in the '
        'folder <span id="folder"></span>.</p><p id="state" role="status"></p></header><main id="main" tabindex="-1">'
        "</main><footer><p>This page comes from your own machine and asks it every few seconds.</p></footer>"
    )
    return page(title, body, {"figures": {}, "live": {"folder": name, **state}})


class Runs:
    """The histories in a folder, each file read again when it has changed.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder):
        self._folder, self._known = folder, {}

    def state(self):
        """What the page draws: a chart and some words for each file, the latest first."""
        found = []
        for path in self._folder.glob("*.*"):
            if path.name.startswith(".") or path.suffix not in (".h5", ".csv") or LEFT_ASIDE.search(path.name):
                continue
            try:
                stat = path.stat()
            except OSError:  # it is gone, or a link that leads nowhere
                continue
            mark = stat.st_mtime_ns, stat.st_size
            try:
                if self._known.get(path.name, (None,))[0] != mark:
                    self._known[path.name] = mark, _read(path)
            except Exception as error:  # of files that may hold anything
                self._known[path.name] = None, {"words": f"It cannot be read: {error}", "chart": None}
            run = self._known[path.name][1]
            if run is not None:
                found.append({"name": path.name, "seconds": round(time.time() - stat.st_mtime), **run})
        return {"runs": sorted(found, key=lambda run: run["seconds"])}


def _read(path):
    """A chart and words about a file; None if it is neither a model file nor a log."""
    if path.suffix == ".csv":
        return _read_log(path)
    return files.look(path, _drawn)


def _drawn(contents, path):
    """The chart and the words about the layers of a model file."""
    layers, histories, words = contents if isinstance(contents, list) else [contents], {}, []
    for i, layer in enumerate(layers, 1):
        check_progress(layer.progress, path)
        n, settings, name = layer.progress["n_updates"], layer.hyper_parameters, f"layer {i}" if len(layers) > 1 else ""
        histories[name] = restored_history(layer.groups, n, path)
        of = "" if settings.get("n_epochs") else f" of {settings.get('n_updates', 0):,}"
        words.append(f"{layer.model}{name and ', ' + name}: update {n:,}{of}")
    return {"words": "; ".join(words), "chart": drawn.history_chart(histories)}


def _read_log(path):
    with open(check_regular(path, "path"), encoding="ascii", errors="replace") as file:
        if file.readline(LONGEST).strip() != COLUMNS:
            return None
        rows = []
        while line := file.readline(LONGEST):
            if len(line) == LONGEST:
                raise ValueError(f"it has a line of {LONGEST} characters or more")
            rows.append(line.strip().split(","))
    rows = [row for row in rows if len(row) == len(Log.COLUMNS)]
    history = {name: [float(row[i]) for row in rows if row[i]] for i, name in enumerate(Log.COLUMNS) if i}
    history["validation_update"] = [int(row[0]) for row in rows if row[Log.COLUMNS.index("validation_error")]]
    history["n_gibbs"] = list(map(int, history["n_gibbs"]))
    return {"words": f"log: update {rows[-1][0] if rows else 0}", "chart": drawn.history_chart({"": history})}
