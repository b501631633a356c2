/**
 * All texts of the page are in src/texts.js: none stands in other code or in index.html.
 */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { parse } from "@babel/parser";
import { TEXTS } from "../src/texts.js";

const SRC = new URL("../src/", import.meta.url);
/** What has words for developers, which panel/connection.js and session/reasons.js translate. */
const FOR_DEVELOPERS = ["livemap.js", "shared/polled.js", "session/account.js"];

/** What reads like a text: two words, a word with a capital, a sign of print. */
const TEXT = /\p{L}{2,}[.,:;]? \p{L}{2,}|^\s*\p{Lu}\p{Ll}+|[…“”’]/u;
/** Keys, headers of HTTP, GeoJSON's types, fonts, names of sources, and what else looks like a text. */
const TECHNICAL = [
	/^(Enter|Escape|Home|End|Arrow(Up|Down|Left|Right)|Page(Up|Down)|Map\.Title)$/,
	/^(Date|Bearer |[A-Z][a-z]+(-[A-Z][a-z]+)+)$/,
	/^(Feature|FeatureCollection|Point|LineString|Polygon)$/,
	/^(Segoe UI|Roboto|Helvetica Neue|Arial|Regular|Medium|Semibold|Italic)$/,
	/^(Natural Earth|Streets|(\$\{\})?…)$/,
	/^(\S\S )+\S\S$/, // letters that look alike
	/\d+px .*sans-serif$|^\([a-z-]+: [a-z]+\)$|^curl /,
];
/** What sets a text, which is one even when it is a single small word. */
const SETTERS = ["setText", "showNotice", "report"];
const TEXT_MEMBERS = ["textContent", "innerText", "title", "placeholder", "ariaLabel"];

/** @typedef {{type: string, loc: {start: {line: number}}, [name: string]: any}} Node of a syntax tree */

/** @param {Node} node @returns {string | null} the text of a literal */
function literal(node) {
	return node.type === "StringLiteral"
		? node.value
		: node.type === "TemplateLiteral"
			? node.quasis.map((/** @type {Node} */ part) => part.value.cooked).join("${}")
			: null;
}

/**
 * What a reader of HTML sees or hears: not its tags, nor what a licence asks for in a link.
 * @param {string} html
 */
function visible(html) {
	const labels = [...html.matchAll(/\s(?:aria-label|title|placeholder)="([^"]*)"/g)].map(([, label]) => label);
	return [html.replace(/<a .*?<\/a>/gs, "").replace(/<[^>]*>/g, ""), ...labels].join(" ");
}

/**
 * Whether a literal is no text where it stands.
 * @param {Node[]} above the nodes around it, the nearest first
 */
function isTechnical(above) {
	const [parent] = above;
	const callee = parent.callee?.property?.name ?? parent.callee?.name ?? "";
	return (
		/^(Import|Export)/.test(parent.type) ||
		above.some(({ type, callee }) => type === "NewExpression" && /Error$/.test(callee.name)) ||
		/^(querySelector(All)?|closest|matches|part|mark)$/.test(callee || parent.callee?.property?.id?.name) ||
		(parent.type === "CallExpression" && literal(parent.arguments[0] ?? {}) === "class") ||
		(parent.type === "AssignmentExpression" && /^(className|font)$/.test(parent.left.property?.name)) ||
		(parent.type === "MemberExpression" && parent.computed)
	);
}

/** Whether a literal is set as a text. @param {Node} node @param {Node} parent */
function isSet(node, parent) {
	const callee = parent.callee?.name ?? parent.callee?.property?.name;
	const name = parent.type === "AssignmentExpression" ? parent.left.property?.name : parent.key?.name;
	return (
		(SETTERS.includes(callee) && parent.arguments.at(callee === "setText" ? 1 : 0) === node) ||
		(callee === "setAttribute" &&
			parent.arguments[1] === node &&
			/^(aria-label|title)$/.test(literal(parent.arguments[0]) ?? "")) ||
		TEXT_MEMBERS.includes(name)
	);
}

/**
 * The texts in a module.
 * @param {string} source
 * @returns {string[]} "line: text"
 */
function textsIn(source) {
	/** @type {string[]} */
	const found = [];
	/** @param {any} node @param {Node[]} above */
	const walk = (node, above) => {
		if (typeof node?.type !== "string") {
			return;
		}
		const value = literal(node);
		if (value !== null && above.length > 0 && !isTechnical(above)) {
			const text = /^\s*\(?</.test(value) ? visible(value) : value;
			const reads = TEXT.test(text) && !TECHNICAL.some((pattern) => pattern.test(text));
			const labels = /^\s*</.test(value) && /\p{L}/u.test(text.replaceAll("${}", ""));
			const words = text.replaceAll("${}", "");
			if (reads || labels || (isSet(node, above[0]) && /\p{L}/u.test(words))) {
				found.push(`${node.loc.start.line}: ${text.trim()}`);
			}
		}
		for (const part of Object.values(node).flat()) {
			walk(part, [node, ...above]);
		}
	};
	walk(parse(source, { sourceType: "module" }).program, []);
	return found;
}

test("no text stands in code outside of texts.js", async () => {
	const files = (await readdir(SRC, { recursive: true })).filter((file) => /(?<!\.d)\.js$/.test(file));
	assert.ok(files.length > 40, `${files.length} files`);
	/** @type {string[]} */
	const found = [];
	for (const file of files.map((file) => file.replaceAll("\\", "/"))) {
		if (file !== "texts.js" && !FOR_DEVELOPERS.includes(file)) {
			const texts = textsIn(await readFile(new URL(file, SRC), "utf8"));
			found.push(...texts.map((text) => `${file}:${text}`));
		}
	}
	assert.deepEqual(found, []);
});

test("a text in code is found, however it is written", () => {
	for (const code of [
		'const a = "Not live";',
		"const a = `${n} vehicles are silent`;",
		'const a = { moving: "Moving" };',
		'setText(line, "gone");',
		'showNotice("gone", 5000);',
		'button.textContent = "follow";',
		'button.setAttribute("aria-label", "close");',
		'button.title = "close";',
		'Object.assign(made, { textContent: "more" });',
		'element.innerHTML = `<p title="close">${x}</p>`;',
		"element.innerHTML = `<b>${x}</b> <i>silent</i>`;",
	]) {
		assert.equal(textsIn(code).length, 1, code);
	}
	for (const code of [
		'import a from "./the page.js";',
		'throw new Error(`the page has no ${id}`);',
		'page.querySelector("details p");',
		'made.className = "one two";',
		'if (event.key === "Enter") {}',
		'made.setAttribute("aria-hidden", "true");',
		"element.innerHTML = `<p class=\"state\" aria-label=\"${TEXTS.a}\">${TEXTS.b}</p>`;",
		'const a = ["position", "speed_kmh"];',
	]) {
		assert.deepEqual(textsIn(code), [], code);
	}
});

test("index.html names its texts, and has none", async () => {
	const html = await readFile(new URL("index.html", SRC), "utf8");
	const rest = html
		.replace(/<(title|noscript|code|kbd)\b.*?<\/\1>/gs, "")
		.replace(/<b data-count.*?<\/b>/g, "")
		.replace(/<[^>]*>/g, "");
	assert.doesNotMatch(rest, /\p{L}/u, "a text");
	assert.doesNotMatch(html, /\s(aria-label|title|placeholder|alt)="[^"{]+"/, "a label");
	const named = [...html.matchAll(/\sdata-(?:text|aria-label|title|placeholder)="([^"]*)"/g)];
	assert.ok(named.length > 60);
	for (const [, path] of named) {
		const text = path.split(".").reduce((texts, name) => texts?.[name], /** @type {any} */ (TEXTS));
		assert.equal(typeof text, "string", path);
	}
});
