/**
 * selected.js follows the selected vehicle, wherever it is, on a stream of its own. The stream of the map
 * stays as it is: a selection costs the bytes of one vehicle.
 */
import { follow as followHub, parseExact } from "./livemap.js";
import { ALL } from "./map/viewport.js";

/** @typedef {import("./livemap.js").Feature} Feature */

/** Milliseconds between two readings of a vehicle whose topic cannot be streamed. */
const READ_INTERVAL = 2000;

/** @param {string} vehicle */
export const topicOf = (vehicle) => `vehicle:${vehicle}`;

/**
 * Whether the hub accepts the topic of a vehicle. A link may name any text as the selected vehicle.
 * @param {string} vehicle
 */
const hasTopic = (vehicle) =>
	/^\S(.*\S)?$/u.test(vehicle) && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|\*$/u.test(vehicle);

/** Browsers remove these two from a path, in any encoding. @param {string} vehicle */
const hasPath = (vehicle) => vehicle !== "." && vehicle !== "..";

/**
 * @typedef {object} Actions
 * @property {(topic: string) => boolean} canRead the topics that the reader may read
 * @property {(feature: Feature) => void} onPosition
 * @property {(feature: Feature) => void} onLate
 * @property {(id: string, reason: string) => void} onGone
 * @property {(id: string) => void} onLost its positions do not come any longer
 */

export class Selected {
	/** @type {string | null} */ #id = null;
	/** @type {import("./livemap.js").Feed | null} */ #feed = null;
	/** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
	/** @type {Feature | null} */ #read = null;

	/** @param {Actions} actions @param {typeof followHub} [follow] */
	constructor(actions, follow = followHub) {
		this.actions = actions;
		this.open = follow;
	}

	/** Its newest position, if that is known to be current. @param {string} id @returns {Feature | null} */
	newest(id) {
		if (id !== this.#id) {
			return null;
		}
		return this.#feed ? (this.#feed.current && this.#feed.vehicles.get(id)) || null : this.#read;
	}

	/** Follows another vehicle. @param {string | null} id null: none */
	show(id) {
		if (id !== this.#id) {
			this.again(id);
		}
	}

	/** Follows anew, as another reader for example. @param {string | null} [id] */
	again(id = this.#id) {
		const before = this.#id;
		this.#stop();
		this.#id = null;
		if (before !== null) {
			this.actions.onLost(before);
		}
		this.#id = id;
		if (id === null) {
			return;
		}
		const { canRead } = this.actions;
		if (hasTopic(id) && canRead(topicOf(id))) {
			this.#stream(id);
		} else if (hasPath(id) && canRead(ALL)) {
			this.#schedule(id, 0);
		}
	}

	/** Connects at once instead of after the wait. */
	retry() {
		this.#feed?.retry();
	}

	/** @param {string} id */
	#stream(id) {
		const { onPosition, onLate, onGone, onLost } = this.actions;
		const feed = this.open({
			topics: [topicOf(id)],
			ping: 5,
			onPosition,
			onLate,
			onGone: (id, reason) => reason !== "left" && onGone(id, reason),
			onStatus: ({ phase }) => {
				if (this.#feed === feed && phase !== "live" && phase !== "connecting") {
					onLost(id);
				}
			},
		});
		this.#feed = feed;
	}

	/** @param {string} id @param {number} ms */
	#schedule(id, ms) {
		this.#timer = setTimeout(async () => {
			const timer = this.#timer;
			const path = `/vehicles/${encodeURIComponent(id)}`;
			const answer = await fetch(path, { cache: "no-cache" }).catch(() => null);
			const feature = answer?.ok ? parseExact(await answer.text().catch(() => "null")) : null;
			if (timer !== this.#timer) {
				return; // another vehicle was selected
			}
			if (feature) {
				this.#read = feature;
				this.actions.onPosition(feature);
			}
			this.#schedule(id, READ_INTERVAL);
		}, ms);
	}

	#stop() {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		this.#feed?.close();
		this.#feed = null;
		this.#read = null;
	}
}
