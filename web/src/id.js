/**
 * id.js shows ids of vehicles so that each can be told from every other: characters that are invisible or
 * that reorder text are named, and so is what differs in two ids that look alike.
 */
import { TEXTS } from "./texts.js";

/**
 * Characters that cannot be seen as what they are: controls, formats such as U+202E, fillers, and spaces
 * other than U+0020.
 */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{DI}]|(?! )\p{Zs}/gu;
/** Emoji are composed of these. */
const JOINERS = /(?<=\p{Extended_Pictographic}\p{EMod}?\uFE0F?)[\uFE0F\u200D]/gu;

/** Letters of other scripts, and digits, each with the Latin letter it looks like. */
const ALIKE = new Map(
	[
		"АA ВB ЕE ЅS ІI ЈJ КK МM НH ОO РP СC ТT УY ХX ЗЭ аa еe оo рp сc уy хx ѕs іi јj ԁd һh ѵv", // Cyrillic
		"ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX οo νv αa ρp", // Greek
		"0O 1I lI |I",
	]
		.join(" ")
		.split(" ")
		.map(([from, to]) => [from, to]),
);

/** Scripts and kinds of characters that may look alike. @type {[RegExp, string][]} */
const KINDS = [
	[/\p{Nd}/u, TEXTS.characters.digit],
	[/\p{Script=Cyrillic}/u, TEXTS.characters.cyrillic],
	[/\p{Script=Greek}/u, TEXTS.characters.greek],
	[/\p{Script=Latin}/u, TEXTS.characters.latin],
];

/** @param {string} text */
const codePoints = (text) =>
	[...text].map((c) => `U+${(c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`).join(" ");

/**
 * An id in parts, of which every other one, from the second on, names a hidden character.
 * @param {string} id
 */
export function idParts(id) {
	const composed = new Set([...id.matchAll(JOINERS)].map((match) => match.index));
	const parts = [""];
	let from = 0;
	for (const { 0: hidden, index } of id.matchAll(HIDDEN)) {
		if (!composed.has(index)) {
			parts[parts.length - 1] = id.slice(from, index);
			parts.push(codePoints(hidden), "");
			from = index + hidden.length;
		}
	}
	parts[parts.length - 1] = id.slice(from);
	return parts;
}

/** An id as one line of text, with hidden characters named: "VAN‹U+202E›7". @param {string} id */
export function idText(id) {
	return idParts(id)
		.map((part, i) => (i % 2 ? `‹${part}›` : part))
		.join("");
}

/** What an id looks like: ids that look alike have the same looks. @param {string} id */
export function looksOf(id) {
	const visible = id.replace(HIDDEN, (c) => (/\p{Zs}/u.test(c) ? " " : "")).normalize("NFKC");
	return [...visible].map((c) => ALIKE.get(c) ?? c).join("");
}

/**
 * What tells an id from one that looks like it: "А Cyrillic", or the characters' numbers; "" if hidden
 * characters alone do.
 * @param {string} id
 * @param {string} other
 */
export function difference(id, other) {
	const [own, others] = [[...id], [...other]];
	const at = own.findIndex((c, i) => c !== others[i]);
	const c = own[at];
	if (c === undefined || c.match(HIDDEN) || others[at]?.match(HIDDEN)) {
		return "";
	}
	const [kind, otherKind] = [c, others[at] ?? ""].map((c) => KINDS.find(([is]) => is.test(c))?.[1]);
	return kind && kind !== otherKind ? `${c} ${kind}` : codePoints(c);
}

/**
 * Shows an id in an element, and in a tag what tells it from another one.
 * @param {Element} element
 * @param {string} id
 * @param {string} [tag]
 */
export function showId(element, id, tag = "") {
	const isolated = document.createElement("bdi");
	idParts(id).forEach((part, i) => isolated.append(i % 2 ? mark("hidden-character", part) : part));
	element.replaceChildren(isolated, ...(tag ? [" ", mark("tag", tag)] : []));
}

/** @param {string} className @param {string} text */
function mark(className, text) {
	return Object.assign(document.createElement("span"), { className, textContent: text });
}
