"""A tracking server on loopback that answers MLflow's client."""

import json
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Tracking:
    """The part of MLflow's REST interface that is used here; it hangs while told to, and fails after some requests."""

    def __init__(self) -> None:
        self.experiments: dict[str, str] = {}
        self.runs: dict[str, dict] = {}
        self.metrics: dict[str, list[dict]] = defaultdict(list)
        self.requests, self.dies_after, self.hangs = 0, float("inf"), False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer({name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})

            def do_POST(self) -> None:
                self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}"))

            def _answer(self, given: dict) -> None:
                outer.requests += 1
                while outer.hangs:
                    time.sleep(0.05)
                failed = outer.requests > outer.dies_after
                name = urlsplit(self.path).path.partition("/mlflow/")[2]
                status, found = (500, {}) if failed else outer.answer(name, given)
                body = json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.uri = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, name: str, given: dict) -> tuple[int, dict]:
        if name == "experiments/get-by-name":
            number = self.experiments.get(given["experiment_name"])
            if number is None:
                return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "none"}
            return 200, {"experiment": {"experiment_id": number, "name": given["experiment_name"]}}
        if name == "experiments/create":
            self.experiments[given["name"]] = "7"
            return 200, {"experiment_id": "7"}
        if name == "runs/search":
            tag = given["filter"].split("'")[1]
            found = [run for run in self.runs.values() if {"key": "dlcli.run", "value": tag} in run["data"]["tags"]]
            return 200, {"runs": [self._with_metrics(run) for run in found]}
        if name == "runs/create":
            number = f"run{len(self.runs)}"
            info = {"run_id": number, "run_uuid": number, "experiment_id": "7", "run_name": given["run_name"]}
            info |= {"status": "RUNNING", "start_time": 1, "lifecycle_stage": "active", "artifact_uri": ""}
            self.runs[number] = {"info": info, "data": {"tags": given["tags"], "params": [], "metrics": []}}
            return 200, {"run": self.runs[number]}
        return self._changed(name, given)

    def _changed(self, name: str, given: dict) -> tuple[int, dict]:
        run = self.runs[given["run_id"]]
        if name == "runs/get":
            return 200, {"run": self._with_metrics(run)}
        if name == "runs/log-batch":
            run["data"]["params"] += given.get("params", [])
            self.metrics[given["run_id"]] += given.get("metrics", [])
        elif name == "runs/update":
            run["info"] |= {key: given[key] for key in ("status", "end_time") if key in given}
            return 200, {"run_info": run["info"]}
        elif name == "metrics/get-history":
            return 200, {"metrics": [one for one in self.metrics[given["run_id"]] if one["key"] == given["metric_key"]]}
        return 200, {}

    def _with_metrics(self, run: dict) -> dict:
        last = {one["key"]: one for one in self.metrics[run["info"]["run_id"]]}
        return {**run, "data": {**run["data"], "metrics": list(last.values())}}
