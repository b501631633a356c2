/**
 * main.js wires the page: the feed updates the fleet, the markers and the list show it, and the address keeps
 * the view.
 */
import { format, parse } from "./address.js";
import { debug } from "./debug.js";
import { element, showNotice } from "./element.js";
import { Fleet } from "./fleet.js";
import { idText } from "./id.js";
import { darkScheme, PageMap } from "./map/map.js";
import { Markers } from "./map/markers.js";
import { Trail } from "./map/trail.js";
import { ALL, contains, Viewport } from "./map/viewport.js";
import { bandOver, connection } from "./panel/connection.js";
import { bindControls, syncControls } from "./panel/controls.js";
import { Details } from "./panel/details.js";
import { List } from "./panel/list.js";
import { sheet } from "./panel/sheet.js";
import { Summary } from "./panel/summary.js";
import { Selected, topicOf } from "./selected.js";
import { Account } from "./session/account.js";
import { Login, restoreView } from "./session/login.js";
import { SignIn } from "./session/sign-in.js";
import { takeInitialToken, takeToken } from "./session/token.js";
import { follow, renew } from "./shared/stream.js";
import { WholeFleet } from "./whole-fleet.js";

/** @typedef {import("./address.js").ViewState} ViewState */

const config = JSON.parse(
	/** @type {HTMLMetaElement} */ (document.querySelector("meta[name=livemap-config]")).content,
);
let started = false; // the feed exists
let lastHeard = 0; // when the feed last heard from the hub, in ms of Date.now()
let permissions = ""; // of the reader whose feed this is
let accountChecked = false; // the hub has confirmed the account since the last failure
const account = new Account(() => accountChanged(), renew);
const signIn = new SignIn(account, new Login(config.login));
const token = takeInitialToken();
const signingIn = token === null ? account.refresh() : account.signIn(token);
restoreView();
let viewState = parse(location.hash);
if (viewState.map === null && viewState.vehicle === null) {
	viewState.map = config.view; // where the hub wants the map to open
}
let loaded = false; // the first state has arrived
let mapPlaced = viewState.map !== null; // the address or the reader has placed the map
let showAllPending = false; // all vehicles are to be shown once they have arrived
let anotherReader = false; // vehicles of the previous reader are still there

const map = new PageMap({ ...config, report: showNotice }, viewState);
map.load(); // nothing waits for it
await signingIn; // the account decides what the feed may follow
const viewport = new Viewport();
viewport.canRead = account.canRead;
const fleet = new Fleet(
	() => (Date.now() + feed.clockOffset) / 1000,
	() => (feed.asOf + feed.clockOffset) / 1000,
	() => feed.quietFrom,
);
const markers = new Markers(map, fleet);
const trail = new Trail(map);
const list = new List(element("list", HTMLElement), fleet, (id) => select(id));
const details = new Details(element("details", HTMLElement), {
	close: () => change({ vehicle: null, follow: false }),
	show: () => viewState.vehicle !== null && showVehicle(viewState.vehicle),
	follow: (following) => change({ follow: following }),
});
const panel = element("panel", HTMLElement);
const setSheet = sheet(panel, element("sheet", HTMLElement));

/* The stream */

permissions = account.permissions;
accountChecked = account.state !== "unknown";
const feed = follow({
	...viewport.view(
		viewState.map ? map.bounds() : null,
		map.zoom,
	),
	ping: 5,
	onPosition(feature) {
		const newest = selected.newest(feature.id);
		if (!newest || newest.properties.timestamp <= feature.properties.timestamp) {
			moved(feature);
		}
	},
	onLate: (feature) => trail.add(feature),
	onGone(id, reason) {
		if (reason === "left" && viewport.near && !anotherReader) {
			summary.changed();
			markers.changed();
			if (!selected.newest(id)) {
				fleet.leave(id); // the list has it still
			}
			return;
		}
		gone(id);
	},
	onStatus({ phase, state, refusal, reason, heard }) {
		showConnection();
		lastHeard = heard || lastHeard;
		if (phase === "refused" && refusal !== "forbidden") {
			account.signedOut(reason);
		}
		if (phase === "live" || refusal === "forbidden") {
			if ((!accountChecked || account.state === "out") && account.state !== "anonymous") {
				account.refresh(); // the reader may have changed, or signed in in another tab
			}
			accountChecked = true;
		} else {
			accountChecked &&= phase === "connecting";
		}
		if (phase === "live") {
			anotherReader = false;
			wholeFleet.streamed(viewport.near, state === "re-read");
			summary.refresh();
			showFirst();
			if (showAllPending) {
				showAllPending = false;
				map.showAll(fleet.vehicles.values());
			}
			trail.show(viewState.vehicle);
		}
	},
});
const selected = new Selected(
	{
		canRead: (topic) => viewport.canRead(topic),
		onPosition: moved,
		onLate: (feature) => trail.add(feature),
		onGone: gone,
		onLost: (id) => feed.vehicles.has(id) || fleet.leave(id),
	},
	follow,
);
const showStatus = connection(element("connection", HTMLElement), feed);
const showBand = bandOver(element("band", HTMLElement), feed);
const wholeFleet = new WholeFleet(
	fleet,
	() => viewport.topics,
	() => summary.changed(),
);
const summary = new Summary({
	fleet,
	wholeFleet,
	feed,
	list,
	details,
	viewState: () => viewState,
	bounds: () => map.bounds(),
	publish: config.publish,
});

/** A vehicle has a new position. @param {import("./livemap.js").Feature} feature */
function moved(feature) {
	const vehicle = fleet.update(feature);
	summary.changed();
	markers.changed();
	if (vehicle.id === viewState.vehicle) {
		trail.add(feature);
		details.update(vehicle, fleet);
	}
}

/** The hub no longer knows a vehicle, or does not show it to this reader. @param {string} id */
function gone(id) {
	summary.changed();
	markers.changed();
	fleet.remove(id);
	if (id === viewState.vehicle) {
		details.missing("Gone: the hub no longer knows it.");
	}
}

/** Shows the connection. Without one that is live, nothing on the page moves or changes by itself. */
function showConnection() {
	showStatus();
	showBand();
	const frozen = feed.asOf > 0 && !feed.current;
	if (frozen !== fleet.frozen) {
		fleet.frozen = frozen;
		document.body.dataset.live = String(!frozen);
		markers.redraw();
		summary.refresh();
	}
}

started = true;

/** The account has changed. */
function accountChanged() {
	signIn.show(lastHeard);
	if (!started) {
		return;
	}
	if (account.state === "out") {
		if (feed.status.phase === "live") {
			// The reader has signed out in another tab.
			feed.view(currentView());
		}
	} else if (account.permissions !== permissions) {
		permissions = account.permissions;
		viewport.canRead = account.canRead;
		trail.clear();
		anotherReader = true;
		wholeFleet.reset();
		feed.view(currentView()); // an event id is valid for one set of permissions
		selected.again();
	} else if (feed.status.phase === "refused") {
		feed.retry();
		selected.retry();
	}
}

/** The subscription that the current view needs. */
function currentView() {
	return viewport.view(map.bounds(), map.zoom);
}

/** Changes the subscription if the view needs another one. */
function followView() {
	const view = viewport.next(map.bounds(), map.zoom);
	if (view) {
		feed.view(view);
	}
}

/** Moves the map to the first vehicles, unless the address names a place. */
function showFirst() {
	if (!loaded && viewState.vehicle !== null) {
		list.reveal(viewState.vehicle);
	}
	if (!mapPlaced && fleet.vehicles.size > 0) {
		mapPlaced = true;
		const vehicle = viewState.vehicle !== null && fleet.vehicles.get(viewState.vehicle);
		if (vehicle) {
			map.showPlace([vehicle.lon, vehicle.lat], false);
		} else {
			map.showAll(fleet.vehicles.values(), { animate: false });
		}
	}
	loaded = true;
}

/* The view */

/** @param {Partial<ViewState>} next */
function change(next) {
	const before = viewState;
	viewState = { ...viewState, ...next };
	if (viewState.vehicle !== before.vehicle) {
		selected.show(viewState.vehicle);
		trail.show(viewState.vehicle);
	}
	render();
	saveAddress();
}

/** Renders the page from `viewState`. */
function render() {
	const { vehicle, filter } = viewState;
	markers.selected = vehicle;
	markers.filter = (state) => filter === "all" || state === filter;
	markers.redraw();
	list.select(vehicle);
	details.open(vehicle, viewState.follow);
	syncControls(viewState);
	document.title = vehicle === null ? "Live Map" : `${idText(vehicle)} – Live Map`;
	summary.refresh();
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let saveTimer;

/** Writes the address after a short delay, because browsers limit how often it may change. */
function saveAddress() {
	saveTimer ??= setTimeout(() => {
		saveTimer = undefined;
		history.replaceState(null, "", format(viewState));
	}, 250);
}

/** Selects a vehicle from the list, and moves the map if the vehicle is out of view. @param {string} id */
function select(id) {
	change({ vehicle: id, follow: id === viewState.vehicle && viewState.follow });
	const vehicle = fleet.vehicles.get(id);
	if (vehicle && (!contains(map.bounds(), vehicle) || !viewport.near)) {
		map.showPlace([vehicle.lon, vehicle.lat]);
	}
	list.reveal(id);
	setSheet(false);
}

/** @param {string} id */
function showVehicle(id) {
	const vehicle = fleet.vehicles.get(id);
	if (vehicle) {
		map.showPlace([vehicle.lon, vehicle.lat]);
	}
}

/** Asks the hub for a vehicle that is not in view. @param {string} id */
async function findVehicle(id) {
	// It uses a topic, because a path cannot hold every id. No id has white space around it.
	const query = new URLSearchParams({ topic: topicOf(id.trim()) });
	const answer = await fetch(`/snapshot?${query}`, { cache: "no-store" }).catch(() => null);
	// The list holds the whole fleet, so the vehicle does not exist. A 400: it cannot exist.
	const undisclosed = answer?.status === 400 || (answer?.status === 403 && viewport.canRead(ALL));
	if (!answer?.ok && !undisclosed) {
		if (answer?.status === 401) {
			account.refresh();
		}
		showNotice(
			answer?.status === 403
				? `You may not look for the vehicle “${idText(id.trim())}” by its name.`
				: "The hub cannot be asked now.",
			5000,
		);
		return;
	}
	const [feature] = undisclosed ? [] : (await answer.json()).features;
	if (!feature) {
		showNotice(`The hub knows no vehicle “${idText(id.trim())}”.`, 5000);
		return;
	}
	const [lon, lat] = feature.geometry.coordinates;
	change({ vehicle: feature.id, follow: false, q: "", filter: "all" });
	map.showPlace([lon, lat]);
}

/* Input */

bindControls({
	viewState: () => viewState,
	change,
	submitSearch: () => (list.first === undefined ? findVehicle(viewState.q) : select(list.first)),
	focusList: () => list.element.focus(),
	openPanel: () => setSheet(true),
});
element("overview", HTMLElement).addEventListener("click", () => {
	if (!wholeFleet.complete) {
		showAllPending = true;
		feed.view(viewport.view(null, map.zoom));
	} else {
		map.showAll(fleet.vehicles.values());
	}
});

map.on("click", (event) => {
	const { marker, cluster } = markers.hit(event.point);
	if (cluster) {
		map.showAll(
			cluster.markers.map((m) => m.vehicle),
			{ maxZoom: 15 },
		);
		return;
	}
	const id = marker?.vehicle.id ?? null;
	change({ vehicle: id, follow: id === viewState.vehicle && viewState.follow });
	if (id !== null) {
		list.reveal(id);
	}
});
map.on("mousemove", (event) => {
	const { marker, cluster } = markers.hit(event.point);
	map.setCursor(marker || cluster ? "pointer" : "");
});
// Dragging the map ends following.
map.on("dragstart", () => viewState.follow && change({ follow: false }));
map.on("move", () => viewState.inView && summary.changed());
map.on("moveend", (event) => {
	mapPlaced ||= event.originalEvent !== undefined; // the reader has moved the map
	if (loaded && mapPlaced) {
		const [lon, lat] = map.center;
		viewState = { ...viewState, map: { zoom: map.zoom, lat, lon } };
		saveAddress();
		followView();
	}
});
markers.onFrame = () => {
	const vehicle = viewState.follow && viewState.vehicle !== null && fleet.vehicles.get(viewState.vehicle);
	if (vehicle && loaded && !map.isMoving()) {
		map.keepCentred(
			vehicle,
			markers.drawn.single.find((m) => m.vehicle === vehicle),
		);
	}
};
window.addEventListener("hashchange", ({ newURL }) => {
	const { hash } = new URL(newURL); // location.hash may have changed since
	const token = takeToken(hash);
	if (token !== null) {
		account.signIn(token);
		if (!hash.includes("&")) {
			// The address holds no view.
			return saveAddress();
		}
	}
	const next = parse(hash);
	if (next.map) {
		mapPlaced = true;
		map.jumpTo([next.map.lon, next.map.lat], next.map.zoom);
	}
	change({ ...next, map: next.map ?? viewState.map });
});
document.addEventListener("visibilitychange", () => {
	showConnection();
	if (!document.hidden && account.state !== "anonymous") {
		account.refresh(); // another tab may have signed in or out
	}
});
darkScheme.addEventListener("change", () => markers.setDark(darkScheme.matches));
setInterval(() => {
	showConnection();
	summary.refresh(); // ages grow, vehicles fall silent
	if (loaded) {
		showFirst(); // the first vehicle may report long after the page has opened
	}
}, 1000);

markers.setDark(darkScheme.matches);
selected.show(viewState.vehicle);
render();
Object.defineProperty(window, "livemap", { value: debug(feed, map, markers, trail) });
