/**
 * reasons.js says in a dispatcher's words why the map is not shown, and what to do about it. The hub's own
 * words are for whoever runs it.
 */

/** What the hub's words mean, first match first. */
const KINDS = /** @type {const} */ ([
	["expired", /\bit expired at (\S+)/],
	["early", /\bit is not valid before (\S+)/],
	["foreign", /\bnot signed with a key of this hub/],
	["damaged", /\bdamaged; copy the whole|not a JSON Web Token|that is no token/],
	["nothing", /\bmay read nothing/],
	["topic", /\bmay not read the topic/],
	["keys", /\bcannot fetch the keys/],
	["away", /\bcannot be reached/],
	["expired", /\byour sign-in has expired/],
	["needed", /\ba token is needed/],
]);

/** Milliseconds by which clocks may differ without a word. The hub's leeway is a minute. */
const CLOCK_TOLERANCE = 60_000;

const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/**
 * @typedef {object} Situation
 * @property {string} reason the hub's words
 * @property {boolean} [given] whether they are about a link that was just opened, or a code just entered
 * @property {boolean} [login] whether there is a login page
 * @property {number} [now] milliseconds of Date.now()
 * @property {number} [clockOffset] milliseconds by which the hub's clock is ahead of this one
 */

/**
 * @param {Situation} situation
 * @returns {string} sentences; "" if there is nothing to explain
 */
export function explain({ reason, given = false, login = false, now = Date.now(), clockOffset = 0 }) {
	if (reason === "") {
		return "";
	}
	const [kind, at] = kindOf(reason);
	const yours = login ? "Your sign-in" : "Your link";
	const again = login ? "Sign in again." : "Ask whoever sent it to you for a new one.";
	const wrongClock = clock(kind, at, now, clockOffset);
	if (wrongClock) {
		return wrongClock;
	}
	switch (kind) {
		case "needed":
			return login
				? "Sign in to see this map."
				: "This map is not public. Open the link that you were sent, or enter your access code.";
		case "expired":
			return `${yours} has expired${at ? `: it was valid until ${TIME.format(at)}` : ""}. ${again}`;
		case "early":
			return `${yours} is not valid yet: it works from ${TIME.format(at)}. Try again then.`;
		case "foreign":
			return given
				? `This link is not for this map. Check that you have the right one. ${again}`
				: "Your access has been withdrawn. If you need it, ask whoever gave it to you.";
		case "damaged":
			return "This link or code is not complete. Copy all of it and try again.";
		case "nothing":
			return "Your access covers no vehicles. Ask whoever gave it to you to extend it.";
		case "topic":
			return "Your access does not cover these vehicles. Ask whoever gave it to you to extend it.";
		case "keys":
			return "The map cannot check who you are just now. Try again in a minute. If that does not help, tell " +
				"whoever runs the map.";
		case "away":
			return "The map's server cannot be reached. Check your network, then open the link again.";
	}
	return given
		? `This link does not work here. ${again}`
		: `You are no longer signed in. ${login ? again : "Open your link again, or ask for a new one."}`;
}

/** Whether the hub cannot check tokens, which is no refusal. @param {string} reason */
export const isAboutAccess = (reason) => kindOf(reason)[0] === "keys";

/** Whether the hub's words say more than the dispatcher's. @param {string} reason */
export const hasDetails = (reason) => reason !== "" && kindOf(reason)[0] !== "needed";

/**
 * The kind of a reason, and the time that it names, in milliseconds; 0: none.
 * @param {string} reason
 * @returns {[string, number]}
 */
function kindOf(reason) {
	for (const [kind, pattern] of KINDS) {
		const found = pattern.exec(reason);
		if (found) {
			return [kind, Date.parse(found[1] ?? "") || 0];
		}
	}
	return ["other", 0];
}

/**
 * By the hub's clock a link is not valid, and by this one it is: then one of them is wrong.
 * @param {string} kind @param {number} at @param {number} now @param {number} clockOffset
 */
function clock(kind, at, now, clockOffset) {
	const valid = (kind === "expired" && at > now) || (kind === "early" && at > 0 && at <= now);
	if (!valid || Math.abs(clockOffset) <= CLOCK_TOLERANCE) {
		return "";
	}
	return (
		`This computer's clock says ${TIME.format(now)}, and the map's says ${TIME.format(now + clockOffset)}. ` +
		"By the map's clock your link is not valid. If yours is wrong, set it and try again; otherwise tell " +
		"whoever runs the map."
	);
}
