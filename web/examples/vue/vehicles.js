import { follow } from "livemap-client";
import { onScopeDispose, shallowRef } from "vue";

/**
 * The vehicles of a hub and the status of the connection, renewed once per animation frame.
 * @param {import("livemap-client").Options} options
 */
export function useVehicles(options) {
	const vehicles = shallowRef([]); // deep reactivity would wrap every Feature
	const status = shallowRef({ phase: "connecting" });
	let frame = 0;
	const feed = follow({ ...options, onPosition: changed, onGone: changed, onStatus: changed });

	function changed() {
		frame ||= requestAnimationFrame(() => {
			frame = 0;
			vehicles.value = [...feed.vehicles.values()];
			status.value = feed.status;
		});
	}

	onScopeDispose(() => {
		feed.close();
		cancelAnimationFrame(frame);
	});
	return { vehicles, status, feed };
}
