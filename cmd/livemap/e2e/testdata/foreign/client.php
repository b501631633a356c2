<?php
// Reads a stream with PHP's curl extension and prints what came, one JSON object per line:
//
//     php client.php URL
//
// The extension only transports. Lines, the id and coming back after the delay are this program's work.

function tell(array $what): void
{
    echo json_encode($what, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES), "\n";
    flush();
}

$lastEventId = '';
$delay = 100;

// Reads one connection to its end.
function read(string $url): void
{
    global $lastEventId, $delay;
    $rest = $name = $data = '';
    $id = $lastEventId;
    $line = function (string $line) use (&$name, &$data, &$id, &$lastEventId, &$delay): void {
        if ($line === '') {
            $lastEventId = $id;
            if ($data !== '') {
                tell(['name' => $name, 'id' => $lastEventId, 'data' => substr($data, 0, -1)]);
            }
            $name = $data = '';
            return;
        }
        [$field, $value] = explode(':', $line, 2) + [1 => ''];
        $value = preg_replace('/^ /', '', $value);
        match ($field) {
            'data' => $data .= "$value\n",
            'event' => $name = $value,
            'id' => $id = $value,
            'retry' => $delay = (int) $value,
            default => null,
        };
    };
    $curl = curl_init($url);
    curl_setopt_array($curl, [
        CURLOPT_HTTPHEADER => ['Accept: text/event-stream', "Last-Event-ID: $lastEventId"],
        CURLOPT_FAILONERROR => true,
        CURLOPT_LOW_SPEED_LIMIT => 1, // no byte for longer than the heartbeat: the path is dead
        CURLOPT_LOW_SPEED_TIME => 60,
        CURLOPT_WRITEFUNCTION => function ($curl, string $bytes) use (&$rest, $line): int {
            $lines = explode("\n", $rest . $bytes);
            $rest = array_pop($lines);
            array_walk($lines, fn ($each) => $line(rtrim($each, "\r")));
            return strlen($bytes);
        },
    ]);
    curl_exec($curl);
    $refused = curl_errno($curl) === CURLE_COULDNT_CONNECT ? 'refused: ' : '';
    tell(['note' => 'error', 'text' => $refused . (curl_error($curl) ?: 'the stream ended')]);
    curl_close($curl);
}

for (;;) {
    read($argv[1]);
    tell(['note' => 'retry', 'text' => (string) $delay]);
    usleep($delay * 1000);
}
