"""Reads a stream with Python's http.client and prints what came, one JSON object per line:

    python3 client.py URL

The library only transports. Lines, the id and coming back after the delay are this program's work.
"""
import http.client
import json
import sys
import time
import urllib.parse


def tell(what):
    print(json.dumps(what), flush=True)


url = urllib.parse.urlsplit(sys.argv[1])
last_event_id, delay = "", 100


def read():
    """Reads one connection to its end. A connection that is cut ends like a complete one."""
    global last_event_id, delay
    connection = http.client.HTTPConnection(url.netloc, timeout=60)  # longer than the heartbeat
    try:
        headers = {"Accept": "text/event-stream"}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        connection.request("GET", url.path, headers=headers)
        response = connection.getresponse()
        if response.status != 200:
            raise OSError(f"status {response.status}")
        name, data, event_id = "", [], last_event_id
        while line := response.readline():
            if not line.endswith(b"\n"):
                return  # cut in mid-line
            field, _, value = line.rstrip(b"\r\n").decode().partition(":")
            value = value.removeprefix(" ")
            if field == "data":
                data.append(value)
            elif field == "event":
                name = value
            elif field == "id":
                event_id = value
            elif field == "retry":
                delay = int(value)
            elif field == "" and value == "" and line.strip() == b"":
                last_event_id = event_id
                if data:
                    tell({"name": name, "id": last_event_id, "data": "\n".join(data)})
                name, data = "", []
    finally:
        connection.close()


while True:
    try:
        read()
        tell({"note": "error", "text": "the stream ended"})
    except (OSError, http.client.HTTPException) as error:
        tell({"note": "error", "text": str(error)})
    tell({"note": "retry", "text": str(delay)})
    time.sleep(delay / 1000)
