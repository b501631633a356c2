/**
 * reasons.js says in a dispatcher's words why the map is not shown, and what to do about it. The hub's own
 * words are for whoever runs it.
 */
import { TEXTS } from "../texts.js";

const { access } = TEXTS;

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
	const wrongClock = clock(kind, at, now, clockOffset);
	if (wrongClock) {
		return wrongClock;
	}
	switch (kind) {
		case "needed":
			return access.needed(login);
		case "expired":
			return `${access.expired(login, at ? TIME.format(at) : "")} ${access.again(login)}`;
		case "early":
			return access.early(login, TIME.format(at));
		case "foreign":
			return given ? `${access.foreign} ${access.again(login)}` : access.withdrawn;
		case "damaged":
		case "nothing":
		case "topic":
		case "keys":
		case "away":
			return access[kind];
	}
	return given
		? `${access.useless} ${access.again(login)}`
		: `${access.signedOut} ${login ? access.again(login) : access.openAgain}`;
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
	return access.clocks(TIME.format(now), TIME.format(now + clockOffset));
}
