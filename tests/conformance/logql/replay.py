#!/usr/bin/env python3
"""Starts our server in a fresh folder and replays conformance cases against it: replay.py [--port N] OPTIONS OF run.py"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "e2e"))
import programs  # noqa: E402


def main():
    options, port = sys.argv[1:], None
    if options[:1] == ["--port"]:
        port, options = int(options[1]), options[2:]
    with programs.folder() as folder:
        # Not programs.server(): that one has other limits, and the cases know Loki's.
        port = port or programs.free_port()
        server = programs.Program(programs.SERVER, folder, "server", f"""data_dir = "{folder}/server"

[http]
listen = "127.0.0.1:{port}"

[retention]
period = "0"

[limits]
out_of_order_window = "1h"
""", port)
        try:
            server.start()
            return subprocess.run([sys.executable, os.path.join(HERE, "run.py"), "--url", server.url(""), *options]).returncode
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())
