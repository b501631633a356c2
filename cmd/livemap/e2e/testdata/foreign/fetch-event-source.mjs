// Reads a stream with @microsoft/fetch-event-source and tells what came on standard output, one JSON
// object a line: node fetch-event-source.mjs URL
// The package is made for pages, and asks for a window.
globalThis.window = globalThis
const {fetchEventSource} = await import('@microsoft/fetch-event-source')

const tell = (what) => process.stdout.write(JSON.stringify(what) + '\n')

// The delay before a reconnection is seen nowhere else: the timer that is set right after an error is
// the reconnection's.
let failed = false
const {setTimeout} = globalThis
globalThis.setTimeout = (task, delay, ...rest) => {
  if (failed) tell({note: 'retry', text: String(delay)})
  failed = false
  return setTimeout(task, delay, ...rest)
}

await fetchEventSource(process.argv[2], {
  openWhenHidden: true, // else it asks a document
  onmessage: ({id, event, data}) => tell({name: event, id, data}),
  onclose: () => {
    throw new Error('the stream ended') // else it does not come back
  },
  onerror: (error) => {
    tell({note: 'error', text: `${error.message} ${error.cause ?? ''}`})
    failed = true
  },
})
