/**
 * pointer.js says what a click on the map, or the pointer over it, is about.
 */

/** @typedef {import("../fleet.js").Vehicle} Vehicle */
/** @typedef {import("./camera.js").Point} Point */

/** The zoom to which a click on a cluster goes at most, and from which it lists the cluster's vehicles. */
const CLUSTER_ZOOM = 15;
/** CSS pixels that a cluster's vehicles must be apart, at CLUSTER_ZOOM, to be told apart tstack. */
const APART = 24;
/** CSS pixels around a marker in which others cannot be told from it. */
const STACK_RADIUS = 6;
/** CSS pixels around the middle of the map in which vehicles are found by keyboard. */
const MIDDLE_RADIUS = 40;

const hovers = window.matchMedia("(hover: hover)");

/**
 * @param {object} parts
 * @param {import("./map.js").PageMap} parts.map
 * @param {import("./markers.js").Markers} parts.markers
 * @param {import("./tools.js").Ruler} parts.ruler
 * @param {import("../panel/hover.js").HoverCard} parts.hover
 * @param {import("../panel/stack.js").StackList} parts.stack
 * @param {(id: string | null) => void} parts.select
 */
export function bindPointer({ map, markers, ruler, hover, stack, select }) {
	/** The pointer, if it is over the map. @type {Point | null} */
	let pointer = null;
	const update = () => {
		const under = pointer === null || map.isMoving() ? {} : markers.hit(pointer);
		const hovered = under.marker?.vehicle.id ?? null;
		if (hovered !== markers.hovered) {
			markers.hovered = hovered;
			markers.redraw(); // the vehicle has a label now
		}
		hover.show(under);
		map.setCursor(under.marker || under.cluster ? "pointer" : "");
	};
	const leave = () => {
		pointer = null;
		update();
	};
	map.on("click", ({ point }) => {
		if (ruler.active) {
			const [lon, lat] = map.unproject(point);
			ruler.add({ lon, lat });
			return;
		}
		const { marker, cluster } = markers.hit(point);
		const together = marker ? markers.near(marker, STACK_RADIUS) : [];
		if (cluster && map.zoom < CLUSTER_ZOOM && separable(cluster.markers)) {
			stack.close();
			map.showAll(
				cluster.markers.map((m) => m.vehicle),
				{ maxZoom: CLUSTER_ZOOM },
			);
		} else if (cluster || together.length > 1) {
			stack.open(cluster ? cluster.markers.map((m) => m.vehicle) : together);
		} else {
			stack.close();
			select(marker?.vehicle.id ?? null);
		}
	});
	map.on("mousemove", ({ point }) => {
		pointer = hovers.matches ? point : null;
		update();
	});
	map.on("dragstart", leave);
	map.element.addEventListener("mouseleave", leave);
	return {
		/** Shows what is under the pointer now. */
		refresh: () => pointer !== null && update(),
		/** Hides the card, until the pointer moves. */
		leave,
		/** The vehicles at the selected one, or else at the middle of the map. */
		vehiclesHere() {
			const { width, height } = map.size;
			const selected = markers.drawn.single.find(({ vehicle }) => vehicle.id === markers.selected);
			return selected
				? markers.near(selected, STACK_RADIUS)
				: markers.near({ left: width / 2, top: height / 2 }, MIDDLE_RADIUS);
		},
	};
}

/** Whether vehicles can be told apart from near. @param {import("./clusters.js").Marker[]} markers */
function separable(markers) {
	const world = 512 * 2 ** CLUSTER_ZOOM;
	const [first] = markers;
	return markers.some(({ x, y }) => Math.hypot(x - first.x, y - first.y) * world > APART);
}
