/**
 * main.js wires the page: the feed updates the fleet, the markers and the list show it, and the address keeps
 * the view.
 */
import { format, MAX_ONLY, parse } from "./address.js";
import { debug } from "./debug.js";
import { element, setText, showNotice } from "./element.js";
import { Filter } from "./filter.js";
import { Fleet } from "./fleet.js";
import { Groups } from "./groups.js";
import { findAtHub, HubSearch } from "./hub-search.js";
import { idText } from "./id.js";
import { darkScheme, narrowScreen, PageMap } from "./map/map.js";
import { Markers } from "./map/markers.js";
import { withoutOutliers } from "./map/outliers.js";
import { bindPointer } from "./map/pointer.js";
import { bindHere, Pin, Position, Ruler } from "./map/tools.js";
import { Trail } from "./map/trail.js";
import { ALL, contains, Viewport } from "./map/viewport.js";
import { Beyond } from "./panel/beyond.js";
import { Chips } from "./panel/chips.js";
import { bandOver, connection } from "./panel/connection.js";
import { bindControls, syncControls } from "./panel/controls.js";
import { Details } from "./panel/details.js";
import { Elsewhere } from "./panel/elsewhere.js";
import { HoverCard } from "./panel/hover.js";
import { Legend } from "./panel/legend.js";
import { List } from "./panel/list.js";
import { bindOptions } from "./panel/options.js";
import { sheet } from "./panel/sheet.js";
import { StackList } from "./panel/stack.js";
import { Summary } from "./panel/summary.js";
import { Places } from "./places.js";
import { Selected } from "./selected.js";
import { Account } from "./session/account.js";
import { Login, restoreView } from "./session/login.js";
import { SignIn } from "./session/sign-in.js";
import { takeInitialToken, takeToken } from "./session/token.js";
import { onSettings } from "./settings.js";
import { follow, renew } from "./shared/stream.js";
import { TEXTS } from "./texts.js";
import { TopicKinds } from "./topic-kinds.js";
import { ViewHistory } from "./view-history.js";
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
let linked = viewState.vehicle; // the vehicle with which the page was opened, until it was shown
let rowToShow = viewState.vehicle; // its row is to be shown, until the list is whole or was moved
let mapPlaced = viewState.map !== null; // the address or the reader has placed the map
let showAllPending = false; // all vehicles are to be shown once they have arrived
let anotherReader = false; // vehicles of the previous reader, or groups, are still there
document.body.dataset.kiosk = String(new URLSearchParams(location.search).has("kiosk"));

const map = new PageMap({ ...config, report: showNotice }, viewState);
map.load(); // nothing waits for it
await signingIn; // the account decides what the feed may follow
const views = new ViewHistory(
	() => viewState,
	() => map.size.width,
);
const viewport = new Viewport();
viewport.canRead = account.canRead;
const fleet = new Fleet(
	() => (Date.now() + feed.clockOffset) / 1000,
	() => (feed.asOf + feed.clockOffset) / 1000,
	() => feed.quietFrom,
);
const markers = new Markers(map, fleet);
const trail = new Trail(map);
const places = new Places();
const groups = new Groups(
	() => groupsChanged(),
	() => started && feed.status.phase === "live",
);
groups.choose(viewState.groups);
viewport.groups = groups.streamed;
const filter = new Filter(
	({ id }) =>
		groups.streamed === null ||
		((feed.vehicles.has(id) || wholeFleet.ids.has(id)) && groups.has(id)),
);
const list = new List(element("list", HTMLElement), {
	fleet,
	filter,
	places,
	onSelect: (id) => select(id),
	onChoose: showChosen,
});
const details = new Details(element("details", HTMLElement), places, {
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
	source: "fetch",
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
			groups.resume();
			wholeFleet.streamed(viewport.near, state === "re-read");
			summary.refresh();
			showFirst();
			if (showAllPending) {
				showAllPending = false;
				showFleet();
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
	filter,
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
		details.missing(TEXTS.find.gone);
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

const chips = new Chips({
	groups,
	places,
	viewState: () => viewState,
	change,
	goTo: (place) => goTo(place),
	middle: () => middle(),
	locate: () => position.locate((place) => goTo({ ...place, name: TEXTS.search.myPosition })),
});
const hubSearch = new HubSearch({
	needed: () => !wholeFleet.complete,
	topics: () => viewport.topics,
	found(features) {
		fleet.meet(features, fleet.asOf());
		summary.refresh();
	},
});
const topicKinds = new TopicKinds(fleet, () => markers.redraw());
const legend = new Legend(element("legend", HTMLDetailsElement), { fleet, markers });
const hover = new HoverCard(element("hover", HTMLElement), { fleet, places });
const stack = new StackList(element("stack", HTMLElement), {
	fleet,
	places,
	onSelect(id) {
		change({ vehicle: id, follow: id === viewState.vehicle && viewState.follow });
		list.reveal(id);
		stack.refresh(id);
	},
	onOnly: (ids) => change({ only: ids }),
});
const ruler = new Ruler(map);
const pin = new Pin(map);
const beyond = new Beyond(map, () => viewState.vehicle !== null && showVehicle(viewState.vehicle));
const elsewhere = new Elsewhere({
	viewState: () => viewState,
	listed: () => list.vehicles,
	map,
	show() {
		setSheet("peek");
		pointer.leave();
		change({ follow: false });
		map.showAll(withoutOutliers(list.vehicles).fleet);
	},
});
const here = bindHere(map, (place) => goTo({ ...place, name: "" }, false));
const position = new Position(map, ({ lon, lat }) => map.showPlace([lon, lat]));

for (const type of ["wheel", "pointerdown", "keydown"]) {
	list.element.addEventListener(type, () => (rowToShow = null), { passive: true });
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
		groups.start();
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
	const shared = linked !== null && linked === viewState.vehicle ? selectedVehicle() : null;
	if (shared) {
		linked = null;
		if (mapPlaced && narrowScreen.matches) {
			map.bringIn([shared.lon, shared.lat]); // this screen may hide what the sender's did not
		}
	}
	if (rowToShow !== null) {
		const whole = wholeFleet.complete;
		summary.refresh();
		list.reveal(rowToShow);
		rowToShow = whole || rowToShow !== viewState.vehicle ? null : rowToShow;
	}
	if (!mapPlaced && fleet.vehicles.size > 0) {
		mapPlaced = true;
		const vehicle = viewState.vehicle !== null && fleet.vehicles.get(viewState.vehicle);
		if (vehicle) {
			map.showPlace([vehicle.lon, vehicle.lat], false);
		} else {
			showFleet({ animate: false });
		}
	}
	loaded = true;
}

let withFar = false; // the vehicles that are far from the fleet are to be shown next

/**
 * Moves the map to the fleet, and the next time to those that are far from it too.
 * @param {{animate?: boolean}} [options]
 */
function showFleet(options) {
	const all = shownVehicles();
	const { fleet: near, far } = withoutOutliers(all);
	map.showAll(withFar ? all : near, options);
	withFar = !withFar && far.length > 0;
	if (withFar) {
		showNotice(TEXTS.view.far(far.length), 8000);
	}
}

/* The view */

/** The groups that there are, or who is in the chosen ones, may have changed. */
function groupsChanged() {
	chips.update();
	topicKinds.update(groups.all);
	markers.redraw();
	summary.refresh();
}

/** Streams the chosen groups instead of what was streamed. */
function followGroups() {
	if (groups.choose(viewState.groups)) {
		viewport.groups = groups.streamed;
		anotherReader = true;
		wholeFleet.reset();
		feed.view(currentView());
	}
}

/** Changes of the view that are entries of the browser's history. */
const ENTRIES = /** @type {const} */ (["vehicle", "filter", "groups", "only", "near"]);

/** @param {Partial<ViewState>} next @param {boolean} [entry] whether it may be an entry of the history */
function change(next, entry = true) {
	const before = viewState;
	viewState = { ...viewState, ...next };
	followGroups();
	if (viewState.vehicle !== before.vehicle) {
		selected.show(viewState.vehicle);
		trail.show(viewState.vehicle);
	}
	if (viewState.q !== before.q) {
		hubSearch.search(viewState.q);
	}
	if (viewState.near !== before.near) {
		hubSearch.near(viewState.near);
	}
	render();
	const moved = format(before) !== format(viewState);
	if (entry && moved && ENTRIES.some((name) => before[name] !== viewState[name])) {
		views.add(before);
	} else {
		views.save();
	}
}

/** Renders the page from `viewState`. */
function render() {
	const { vehicle } = viewState;
	filter.set(viewState);
	markers.selected = vehicle;
	markers.filter = filter.shows;
	markers.colouring.set(viewState.colour || null, fleet.vehicles.values());
	markers.redraw();
	legend.update(true);
	stack.refresh(vehicle);
	chips.update();
	list.select(vehicle);
	details.open(vehicle, viewState.follow);
	pin.show(viewState.near);
	syncControls(viewState);
	document.title = vehicle === null ? TEXTS.name : TEXTS.title(idText(vehicle));
	summary.refresh();
	elsewhere.update();
}

/** The middle of the map. */
function middle() {
	const [lon, lat] = map.center;
	return { lon: Number(lon.toFixed(5)), lat: Number(lat.toFixed(5)) };
}

/**
 * Sorts by the distance to a place.
 * @param {{lon: number, lat: number, name: string}} place
 * @param {boolean} [move] whether the map moves there
 */
function goTo({ lon, lat, name }, move = true) {
	change({ near: { lon, lat, name }, sort: "distance", q: "" });
	setSheet("half");
	if (move) {
		pointer.leave();
		map.showPlace([lon, lat]);
	}
}

/** Shows how many vehicles are chosen in the list. @param {Set<string>} chosen */
function showChosen(chosen) {
	const bar = element("chosen", HTMLElement);
	bar.hidden = chosen.size === 0 && !list.choosing;
	const text = chosen.size === 0 ? TEXTS.chosen.none : TEXTS.chosen.count(chosen.size);
	setText(/** @type {Element} */ (bar.firstElementChild), text);
}

/** Shows only the chosen vehicles, or all again. */
function isolate() {
	const { chosen } = list;
	if (chosen.size > MAX_ONLY) {
		showNotice(TEXTS.chosen.tooMany(MAX_ONLY), 5000);
	} else if (chosen.size > 0) {
		change({ only: [...chosen] });
		list.setChoosing(false);
	} else if (viewState.only.length > 0) {
		change({ only: [] });
	}
}

/** Selects a vehicle from the list, and moves the map if the vehicle is out of view. @param {string} id */
function select(id) {
	setSheet("peek");
	pointer.leave(); // the map may move from under it
	change({ vehicle: id, follow: id === viewState.vehicle && viewState.follow });
	const vehicle = fleet.vehicles.get(id);
	if (vehicle && (!contains(map.bounds(), vehicle) || !viewport.near)) {
		map.showPlace([vehicle.lon, vehicle.lat]);
	} else if (vehicle) {
		map.uncover([vehicle.lon, vehicle.lat]);
	}
	list.reveal(id);
}

/** Moves the map if something covers a vehicle. @param {string} id */
function showFree(id) {
	const vehicle = fleet.vehicles.get(id);
	if (vehicle) {
		map.uncover([vehicle.lon, vehicle.lat]);
	}
}

/** The selected vehicle, if the page knows it. */
const selectedVehicle = () => fleet.vehicles.get(viewState.vehicle ?? "") ?? null;

/** @param {string} id */
function showVehicle(id) {
	const vehicle = fleet.vehicles.get(id);
	if (vehicle) {
		map.showPlace([vehicle.lon, vehicle.lat]);
	}
}

/** Asks the hub for a vehicle that is not in view. @param {string} id */
async function findVehicle(id) {
	const { feature, why, signedOut } = await findAtHub(id.trim(), viewport.canRead(ALL));
	if (signedOut) {
		account.refresh();
	}
	if (!feature) {
		showNotice(why, 5000);
		return;
	}
	const [lon, lat] = feature.geometry.coordinates;
	pointer.leave();
	change({ vehicle: feature.id, follow: false, q: "", filter: "all", groups: [], only: [] });
	map.showPlace([lon, lat]);
}

/* Input */

bindControls({
	viewState: () => viewState,
	change,
	submitSearch() {
		if (list.first !== undefined) {
			select(list.first);
			element("search", HTMLElement).blur(); // keys are for the vehicle now, and a phone's are put away
			list.element.focus();
		} else if (!chips.takeFirst()) {
			findVehicle(viewState.q);
		}
	},
	focusList: () => list.element.focus(),
	openPanel: () => setSheet("full"),
	middle,
	keys: {
		"?": () => showHelp(),
		i: isolate,
		f: () => viewState.vehicle !== null && change({ follow: !viewState.follow }),
		m: () => ruler.toggle(),
		h() {
			const vehicles = pointer.vehiclesHere();
			if (vehicles.length > 0) {
				stack.open(vehicles);
			} else {
				showNotice(TEXTS.stack.none, 5000);
			}
		},
	},
	escape() {
		pointer.leave();
		if (here.hide() || stack.close()) {
			return;
		}
		if (ruler.active) {
			ruler.toggle(false);
		} else if (list.chosen.size > 0 || list.choosing) {
			list.setChoosing(false);
		} else if (viewState.vehicle !== null) {
			change({ vehicle: null, follow: false });
		}
	},
});
const { showHelp } = bindOptions({ fleet, list, viewState: () => viewState, change });
const chosenBar = element("chosen", HTMLElement);
chosenBar.querySelector(".isolate")?.addEventListener("click", isolate);
chosenBar.querySelector(".clear")?.addEventListener("click", () => list.setChoosing(false));
onSettings(() => render());
element("overview", HTMLElement).addEventListener("click", () => {
	if (!wholeFleet.complete) {
		showAllPending = true;
		feed.view(viewport.view(null, map.zoom));
	} else {
		showFleet();
	}
});

/** The vehicles in the chosen groups and among those that are isolated. */
const shownVehicles = () => [...fleet.vehicles.values()].filter(filter.inScope);

element("map", HTMLElement).addEventListener("keydown", (event) => {
	if (ruler.active && event.key === "Enter") {
		ruler.add(middle());
	}
});
const pointer = bindPointer({
	map,
	markers,
	ruler,
	hover,
	stack,
	select(id) {
		change({ vehicle: id, follow: id === viewState.vehicle && viewState.follow });
		if (id !== null) {
			list.reveal(id);
			showFree(id);
		}
	},
});
// Dragging the map ends following.
map.on("dragstart", () => viewState.follow && change({ follow: false }));
map.on("move", () => {
	beyond.update(selectedVehicle());
	if (viewState.inView) {
		summary.changed();
	}
});
map.on("moveend", (event) => {
	mapPlaced ||= event.originalEvent !== undefined; // the reader has moved the map
	withFar &&= event.originalEvent === undefined;
	linked = event.originalEvent === undefined ? linked : null;
	elsewhere.update();
	if (loaded && mapPlaced) {
		const [lon, lat] = map.center;
		const before = viewState;
		viewState = { ...viewState, map: { zoom: map.zoom, lat, lon } };
		views.moved(before, event.originalEvent !== undefined && !viewState.follow);
		followView();
	}
});
markers.onFrame = () => {
	summary.frame();
	pointer.refresh();
	const vehicle = selectedVehicle();
	beyond.update(vehicle);
	if (vehicle && viewState.follow && loaded && !map.isMoving()) {
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
			return views.save();
		}
	}
	const next = parse(hash);
	if (next.map) {
		mapPlaced = true;
		map.jumpTo([next.map.lon, next.map.lat], next.map.zoom);
	}
	viewState = { ...viewState, map: next.map ?? viewState.map };
	views.went();
	change({ ...next, map: viewState.map }, false);
});
document.addEventListener("visibilitychange", () => {
	showConnection();
	if (!document.hidden && account.state !== "anonymous") {
		account.refresh(); // another tab may have signed in or out
	}
});
darkScheme.addEventListener("change", () => {
	markers.setDark(darkScheme.matches);
	legend.update(true);
});
setInterval(() => {
	showConnection();
	summary.refresh(); // ages grow, vehicles fall silent
	legend.update();
	stack.refresh(viewState.vehicle);
	elsewhere.update();
	if (loaded) {
		showFirst(); // the first vehicle may report long after the page has opened
	}
}, 1000);

markers.setDark(darkScheme.matches);
selected.show(viewState.vehicle);
hubSearch.near(viewState.near);
render();
places.load(`${config.lib}places.json`).then(() => summary.refresh());
Object.defineProperty(window, "livemap", { value: debug(feed, map, markers, trail) });
