/**
 * groups.js knows the groups of vehicles: the hub's topics, such as `kind:bus` and `depot:7`. What stands
 * before the colon is the kind of group. Groups of one kind are joined, and different kinds are cut: buses
 * and trams, but only those of depot 7.
 *
 * A position does not say which topics its vehicle is in. So the map streams the groups of one kind, that of
 * the fewest vehicles, and groups.js reads who is in the others.
 */

/** @typedef {{id: string, vehicles: number}} Topic */

/** Milliseconds between two readings of the topics, and of who is in a chosen one. */
const INTERVAL = 60_000;
/** Topics, and vehicles, of one page; the most pages of topics. */
const PAGE = 1000;
const MAX_PAGES = 5;
/** The most topics that a stream may have. */
const MAX_STREAMED = 128;

/** The kind of a group: "depot" of "depot:7", "" of "night". @param {string} topic */
export const kindOf = (topic) => (topic.includes(":") ? topic.slice(0, topic.indexOf(":")) : "");
/** A group without its kind. @param {string} topic */
export const nameOf = (topic) => topic.slice(topic.indexOf(":") + 1);

/** Topics by kind. @template {string | Topic} T @param {T[]} topics @returns {Map<string, T[]>} */
export function byKind(topics) {
	/** @type {Map<string, T[]>} */
	const kinds = new Map();
	for (const topic of topics) {
		const kind = kindOf(typeof topic === "string" ? topic : topic.id);
		const others = kinds.get(kind);
		if (others) {
			others.push(topic);
		} else {
			kinds.set(kind, [topic]);
		}
	}
	return kinds;
}

export class Groups {
	/** All groups that this reader may read. @type {Topic[]} */
	all = [];
	/** The topics to stream; null: no group is chosen. @type {string[] | null} */
	streamed = null;

	/** @type {string[]} */ #chosen = [];
	/**
	 * Who is in each chosen kind that is not streamed; null: not known yet.
	 * @type {Map<string, Set<string> | null>}
	 */
	#cuts = new Map();
	#changed;
	#reading = new AbortController();
	/** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

	#running = false;
	#live;

	/**
	 * @param {() => void} changed is called when the groups, or who is in them, may have changed
	 * @param {() => boolean} live whether the hub is there
	 */
	constructor(changed, live) {
		this.#changed = changed;
		this.#live = live;
	}

	/** The hub is there: reads the topics, unless that is under way. */
	resume() {
		if (!this.#running) {
			this.start();
		}
	}

	/** Reads the topics now, and again and again while the hub is there. */
	async start() {
		clearTimeout(this.#timer);
		this.#reading.abort();
		this.#running = this.#live();
		if (!this.#running) {
			return;
		}
		const { signal } = (this.#reading = new AbortController());
		const topics = await this.#topics(signal);
		if (signal.aborted) {
			return;
		}
		this.all = topics ?? this.all;
		this.#changed();
		await this.#readCuts(signal);
		if (!signal.aborted) {
			this.#timer = setTimeout(() => this.start(), INTERVAL);
		}
	}

	/** @param {AbortSignal} signal */
	async #topics(signal) {
		/** @type {Topic[]} */
		const topics = [];
		let after = "";
		for (let page = 0; page < MAX_PAGES; page++) {
			const answer = await readPage("/topics", after, signal);
			if (!answer) {
				return null;
			}
			topics.push(...answer.topics);
			if (!answer.next) {
				break;
			}
			after = answer.next;
		}
		return topics;
	}

	/** Chooses groups. @param {string[]} chosen @returns {boolean} whether another choice is streamed now */
	choose(chosen) {
		if (chosen.join("\n") === this.#chosen.join("\n")) {
			return false;
		}
		this.#chosen = chosen;
		const before = this.streamed?.join("\n");
		const sizes = new Map(this.all.map(({ id, vehicles }) => [id, vehicles]));
		/** @param {string[]} topics */
		const size = (topics) => topics.reduce((sum, id) => sum + (sizes.get(id) ?? 0), 0);
		const kinds = [...byKind(chosen)].sort(([, a], [, b]) => size(a) - size(b));
		this.streamed = kinds.length > 0 ? kinds[0][1].slice(0, MAX_STREAMED) : null;
		this.#cuts = new Map(kinds.slice(1).map(([kind]) => [kind, null]));
		this.#reading.abort();
		this.start();
		return before !== this.streamed?.join("\n");
	}

	/** Reads who is in the chosen groups that are not streamed. @param {AbortSignal} signal */
	async #readCuts(signal) {
		for (const [kind, topics] of byKind(this.#chosen)) {
			if (!this.#cuts.has(kind)) {
				continue;
			}
			/** @type {Set<string>} */
			const ids = new Set();
			const query = topics.slice(0, MAX_STREAMED).map((id) => `topic=${encodeURIComponent(id)}`).join("&");
			for (let after = ""; ;) {
				const answer = await readPage(`/vehicles?${query}`, after, signal);
				if (signal.aborted || !answer) {
					return; // what was known holds until the next reading
				}
				answer.features.forEach((/** @type {{id: string}} */ { id }) => ids.add(id));
				after = answer.next ?? "";
				if (!after) {
					break;
				}
			}
			this.#cuts.set(kind, ids);
			this.#changed();
		}
	}

	/** Whether a vehicle of the streamed kind is in a chosen group of every other kind. @param {string} id */
	has(id) {
		for (const ids of this.#cuts.values()) {
			if (!ids?.has(id)) {
				return false;
			}
		}
		return true;
	}
}

/**
 * A page of a list; null: the hub does not answer, or not to this reader.
 * @param {string} path
 * @param {string} after
 * @param {AbortSignal} signal
 */
export async function readPage(path, after, signal) {
	const more = after && `&after=${encodeURIComponent(after)}`;
	const url = `${path}${path.includes("?") ? "&" : "?"}limit=${PAGE}${more}`;
	try {
		const answer = await fetch(url, { signal, cache: "no-cache" });
		return answer.ok ? await answer.json() : null;
	} catch {
		return null;
	}
}
