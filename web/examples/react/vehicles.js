import { follow } from "livemap-client";

/**
 * A store of the vehicles of a hub and the status of the connection, renewed once per animation frame. It
 * follows the hub while a component is subscribed.
 * @param {import("livemap-client").Options} options
 */
export function vehicleStore(options) {
	const listeners = new Set();
	let snapshot = { vehicles: [], status: { phase: "connecting" } };
	let feed = null;
	let frame = 0;

	function changed() {
		frame ||= requestAnimationFrame(() => {
			frame = 0;
			snapshot = { vehicles: [...feed.vehicles.values()], status: feed.status };
			listeners.forEach((listener) => listener());
		});
	}

	return {
		getSnapshot: () => snapshot,
		subscribe(listener) {
			listeners.add(listener);
			feed ??= follow({ ...options, onPosition: changed, onGone: changed, onStatus: changed });
			return () => {
				listeners.delete(listener);
				if (listeners.size === 0) {
					feed.close();
					feed = null;
					cancelAnimationFrame(frame);
					frame = 0;
				}
			};
		},
	};
}
