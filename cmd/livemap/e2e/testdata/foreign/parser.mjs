// Reads a stream with fetch and eventsource-parser, the way its documentation
// does, and tells what came on standard output: node parser.mjs URL
// The package only parses: coming back, with the id and after the delay, is
// this loop's work.
import {EventSourceParserStream} from 'eventsource-parser/stream'

const tell = (what) => process.stdout.write(JSON.stringify(what) + '\n')

const url = process.argv[2]
let lastEventId = ''
let delay = 100

async function read() {
  const headers = {Accept: 'text/event-stream'}
  if (lastEventId) headers['Last-Event-ID'] = lastEventId
  const response = await fetch(url, {headers})
  if (!response.ok) throw new Error(`status ${response.status}`)
  const events = response.body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream({onRetry: (milliseconds) => (delay = milliseconds)}))
  for await (const {id, event, data} of events) {
    if (id !== undefined) lastEventId = id
    tell({name: event ?? '', id: lastEventId, data})
  }
}

for (;;) {
  await read().catch((error) => tell({note: 'error', text: `${error.message} ${error.cause ?? ''}`}))
  tell({note: 'retry', text: String(delay)})
  await new Promise((resolve) => setTimeout(resolve, delay))
}
