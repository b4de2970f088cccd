"""What the adapters in Python have in common: arguments, and one JSON line for each event."""
import base64
import json
import sys
import threading

_, ORIGIN, TOKEN, GROUP = sys.argv[:4]
OPTIONS = sys.argv[4:]
_lock = threading.Lock()


def emit(event, data, id=None):
    if isinstance(data, (bytes, bytearray, memoryview)):
        event, data = 'binary', base64.b64encode(data).decode()
    elif not isinstance(data, str):
        data = json.dumps(data, ensure_ascii=False, separators=(',', ':'))
    line = json.dumps({'event': '' if event == 'message' else event, 'data': data, 'id': id})
    with _lock:
        print(line, flush=True)
