/**
 * main.js puts the page together: the connection feeds the fleet, the fleet is
 * drawn and listed, and what is looked at is in the address.
 */
import { Account } from "./session/account.js";
import { read, write } from "./address.js";
import { controlled, controls } from "./panel/controls.js";
import { Details } from "./panel/details.js";
import { SignIn } from "./session/sign-in.js";
import { element, notice } from "./element.js";
import { Fleet } from "./fleet.js";
import { debug } from "./debug.js";
import { List } from "./panel/list.js";
import { follow } from "./livemap.js";
import { Login, restore } from "./session/login.js";
import { bounds, darkness, keepCentred, makeMap, showAll, showPlace } from "./map/map.js";
import { Markers } from "./map/markers.js";
import { sheet } from "./panel/sheet.js";
import { connection } from "./panel/connection.js";
import { Summary } from "./panel/summary.js";
import { handOver, takeToken } from "./session/token.js";
import { Trail } from "./map/trail.js";
import { ALL, Viewport, topicOf } from "./map/viewport.js";

/** @typedef {import("./address.js").Look} Look */

const config = JSON.parse(/** @type {HTMLMetaElement} */ (document.querySelector("meta[name=livemap-config]")).content);
let following = false; // the fleet
let seen = 0; // ms of Date.now(), when something was last heard of it
let rights = ""; // of who follows it
let asked = false; // the hub has told who is here, since the last trouble
const account = new Account(() => told());
const signIn = new SignIn(account, new Login(config.login));
const token = handOver();
const entering = token === null ? account.ask() : account.enter(token);
restore();
let look = read(location.hash);
let arrived = false; // the first state is there
let placed = look.map !== null; // the map is where it is to be
let overview = false; // all vehicles are to be shown when they are there

const map = await makeMap({ ...config, report: notice }, look).catch((error) => {
	notice(`The map cannot be drawn: ${error.message}`);
	throw error;
});
await entering; // what may be followed depends on who is here
const viewport = new Viewport();
viewport.reads = account.reads;
const fleet = new Fleet(() => (Date.now() + feed.clockOffset) / 1000);
const markers = new Markers(map, fleet);
const trail = new Trail(map);
const list = new List(element("list", HTMLElement), fleet, (id) => choose(id));
const details = new Details(element("details", HTMLElement), {
	close: () => change({ vehicle: null, follow: false }),
	show: () => look.vehicle !== null && show(look.vehicle),
	follow: (following) => change({ follow: following }),
});
const panel = element("panel", HTMLElement);
const setSheet = sheet(panel, element("sheet", HTMLElement));

/* The stream */

rights = account.rights;
asked = account.state !== "unknown";
const feed = follow({
	...viewport.view(look.map && look.q === "" ? bounds(map) : null, map.getZoom(), look.vehicle),
	ping: 10,
	onPosition(feature) {
		const vehicle = fleet.position(feature);
		summary.changed();
		markers.changed();
		if (vehicle.id === look.vehicle) {
			trail.position(feature);
			details.update(vehicle, fleet.clock());
		}
	},
	onLate: (feature) => trail.position(feature),
	onGone(id) {
		fleet.gone(id);
		summary.changed();
		markers.changed();
		if (id === look.vehicle) {
			details.missing("Gone: the hub knows it no more.");
		}
	},
	onStatus({ phase, refusal, reason, heard }) {
		showConnection();
		seen = heard || seen;
		element("map", HTMLElement).dataset.live = String(phase !== "refused");
		if (phase === "refused" && refusal !== "forbidden") {
			account.out(reason);
		}
		if (phase === "live" || refusal === "forbidden") {
			if (!asked && account.state !== "anonymous") {
				account.ask(); // it may be somebody else
			}
			asked = true;
		} else {
			asked &&= phase === "connecting";
		}
		if (phase === "live") {
			summary.refresh();
			arrive();
			if (overview) {
				overview = false;
				showAll(map, fleet.vehicles.values());
			}
			trail.show(look.vehicle);
		}
	},
});
const showConnection = connection(element("connection", HTMLElement), feed);
const summary = new Summary({ fleet, feed, list, details, look: () => look, near: () => viewport.near });

following = true;

/** The account is another. */
function told() {
	signIn.show(seen);
	if (!following) {
		return;
	}
	if (account.state === "out") {
		if (feed.status.phase === "live") { // signed out elsewhere
			feed.view(currentView());
		}
	} else if (account.rights !== rights) {
		rights = account.rights;
		viewport.reads = account.reads;
		trail.forget();
		feed.view(currentView()); // an event id belongs to what its reader may read
	} else if (feed.status.phase === "refused") {
		feed.retry();
	}
}

/** What the view needs, in full. */
function currentView() {
	return viewport.view(look.q === "" ? bounds(map) : null, map.getZoom(), look.vehicle);
}

/** Follows what the view needs; who searches wants the whole fleet. */
function followView() {
	const view = viewport.next(look.q === "" ? bounds(map) : null, map.getZoom(), look.vehicle);
	if (view) {
		feed.view(view);
	}
}

/** Once, when there are vehicles: goes where the address did not say. */
function arrive() {
	if (!arrived && look.vehicle !== null) {
		list.reveal(look.vehicle);
	}
	if (!placed && fleet.vehicles.size > 0) {
		placed = true;
		const vehicle = look.vehicle !== null && fleet.vehicles.get(look.vehicle);
		if (vehicle) {
			showPlace(map, [vehicle.lon, vehicle.lat], false);
		} else {
			showAll(map, fleet.vehicles.values(), { animate: false });
		}
	}
	arrived = true;
}

/* What is looked at */

/** @param {Partial<Look>} next */
function change(next) {
	const before = look;
	look = { ...look, ...next };
	if (look.vehicle !== before.vehicle || (look.q === "") !== (before.q === "")) {
		followView();
	}
	if (look.vehicle !== before.vehicle) {
		trail.show(look.vehicle);
	}
	apply();
	remember();
}

/** Makes the page show what `look` says. */
function apply() {
	const { vehicle, filter } = look;
	markers.selected = vehicle;
	markers.shows = (state) => filter === "all" || state === filter;
	markers.redraw();
	list.select(vehicle);
	details.open(vehicle, look.follow);
	controlled(look);
	document.title = vehicle === null ? "Live Map" : `${vehicle} – Live Map`;
	summary.refresh();
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let remembering;

/** Writes the address, though not at every step of a movement: browsers limit that. */
function remember() {
	remembering ??= setTimeout(() => {
		remembering = undefined;
		history.replaceState(null, "", write(look));
	}, 250);
}

/** Selects from the list: the map goes there, if it is not. @param {string} id */
function choose(id) {
	change({ vehicle: id, follow: id === look.vehicle && look.follow });
	const vehicle = fleet.vehicles.get(id);
	if (vehicle && (!map.getBounds().contains([vehicle.lon, vehicle.lat]) || !viewport.near)) {
		showPlace(map, [vehicle.lon, vehicle.lat]);
	}
	list.reveal(id);
	setSheet(false);
}

/** @param {string} id */
function show(id) {
	const vehicle = fleet.vehicles.get(id);
	if (vehicle) {
		showPlace(map, [vehicle.lon, vehicle.lat]);
	}
}

/** Looks for a vehicle that is not in view, by its id. @param {string} id */
async function seek(id) {
	// By topics, since a path cannot hold every id; and as it was typed, or without
	// the space around it.
	const topics = new URLSearchParams([...new Set([id, id.trim()])].map((id) => ["topic", topicOf(id)]));
	const answer = await fetch(`/snapshot?${topics}`, { cache: "no-store" }).catch(() => null);
	const unsaid = answer?.status === 403 && viewport.reads(ALL); // but the list has all vehicles while something is searched
	if (!answer?.ok && !unsaid) {
		if (answer?.status === 401) {
			account.ask();
		}
		notice(answer?.status === 403 ? `You may not look for the vehicle “${id.trim()}” by its name.` : "The hub cannot be asked now.", 5000);
		return;
	}
	const [feature] = unsaid ? [] : (await answer.json()).features;
	if (!feature) {
		notice(`The hub knows no vehicle “${id.trim()}”.`, 5000);
		return;
	}
	const [lon, lat] = feature.geometry.coordinates;
	change({ vehicle: feature.id, follow: false, q: "", filter: "all" });
	showPlace(map, [lon, lat]);
}

/* What people do */

controls({
	look: () => look,
	change,
	accept: () => (list.first === undefined ? seek(look.q) : choose(list.first)),
	enter: () => list.element.focus(),
	open: () => setSheet(true),
});
element("overview", HTMLElement).addEventListener("click", () => {
	if (viewport.near) {
		overview = true;
		feed.view(viewport.view(null, map.getZoom(), look.vehicle));
	} else {
		showAll(map, fleet.vehicles.values());
	}
});

map.on("click", (event) => {
	const { mark, cluster } = markers.hit(event.point);
	if (cluster) {
		showAll(map, cluster.marks.map((m) => m.vehicle), { maxZoom: 15 });
		return;
	}
	const id = mark?.vehicle.id ?? null;
	change({ vehicle: id, follow: id === look.vehicle && look.follow });
	if (id !== null) {
		list.reveal(id);
	}
});
map.on("mousemove", (event) => {
	const { mark, cluster } = markers.hit(event.point);
	map.getCanvas().style.cursor = mark || cluster ? "pointer" : "";
});
map.on("dragstart", () => look.follow && change({ follow: false })); // who drags the map away wants to look elsewhere
map.on("moveend", (event) => {
	placed ||= event.originalEvent !== undefined; // somebody has moved it
	if (arrived && placed) {
		const { lng, lat } = map.getCenter().wrap();
		look = { ...look, map: { zoom: map.getZoom(), lat, lon: lng } };
		remember();
		followView();
	}
});
markers.onframe = () => {
	const vehicle = look.follow && look.vehicle !== null && fleet.vehicles.get(look.vehicle);
	if (vehicle && arrived && !map.isMoving()) {
		keepCentred(map, vehicle, markers.drawn.single.find((m) => m.vehicle === vehicle));
	}
};
window.addEventListener("hashchange", ({ newURL }) => {
	const { hash } = new URL(newURL); // the page may have written its own by now
	const token = takeToken(hash);
	if (token !== null) {
		account.enter(token);
		if (!hash.includes("&")) { // it says nothing of what to look at
			return remember();
		}
	}
	const next = read(hash);
	if (next.map) {
		placed = true;
		map.jumpTo({ center: [next.map.lon, next.map.lat], zoom: next.map.zoom });
	}
	change({ ...next, map: next.map ?? look.map });
});
document.addEventListener("visibilitychange", () => {
	if (!document.hidden && account.state !== "anonymous") {
		account.ask(); // somebody may have signed in or out elsewhere
	}
});
darkness.addEventListener("change", () => markers.paint(darkness.matches));
setInterval(() => {
	showConnection();
	summary.refresh(); // ages grow, vehicles fall silent
	if (arrived) {
		arrive(); // the first vehicle may come long after the page
	}
}, 1000);

markers.paint(darkness.matches);
apply();
Object.defineProperty(window, "livemap", { value: debug(feed, map, markers, trail) });
