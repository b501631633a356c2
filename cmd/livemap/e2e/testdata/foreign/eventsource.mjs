// Reads a stream with an EventSource and tells on standard output, one JSON
// object a line, what a page would be told:
// node eventsource.mjs MODULE [--unheld] URL
const [module, ...rest] = process.argv.slice(2)
const url = rest.pop()
const {EventSource} = await import(module)

const tell = (what) => process.stdout.write(JSON.stringify(what) + '\n')

// The delay before a reconnection is seen nowhere else. The timer that is set
// right after an error event is the reconnection's; fetch has timers of its own.
let failed = false
const {setTimeout} = globalThis
globalThis.setTimeout = (task, delay, ...rest) => {
  if (failed) tell({note: 'retry', text: String(delay)})
  failed = false
  return setTimeout(task, delay, ...rest)
}

const source = new EventSource(url)
source.onmessage = ({lastEventId, data}) => tell({name: '', id: lastEventId, data})
for (const name of ['reset', 'live', 'gone', 'late', 'ping', 'bye']) {
  source.addEventListener(name, ({lastEventId, data}) => tell({name, id: lastEventId, data}))
}
source.onerror = ({message = ''}) => {
  failed = source.readyState === EventSource.CONNECTING
  tell({note: failed ? 'error' : 'gave up', text: message})
}

// Whoever starts this ends it, too. eventsource 5 does not keep its process
// alive while it waits to reconnect; --unheld lets that be seen.
if (!rest.includes('--unheld')) setInterval(() => {}, 60_000)
