"use strict";
(function () {
	const svg = document.documentElement;
	const frames = Array.from(svg.querySelectorAll(".f"));
	const status = svg.getElementById("status");
	const input = svg.querySelector("#search");
	const CHARACTER = 7.25;
	const total = Number(svg.dataset.total);
	const open = [];
	let zoomed = frames[0];

	/* Callers come before what they call: a frame's subtree is the stretch from index to last. */
	frames.forEach((frame, index) => {
		frame.index = index;
		open.length = Number(frame.dataset.d);
		open.push(frame);
		for (const outer of open)
			outer.last = index;
	});
	for (const frame of frames) {
		const rect = frame.querySelector("rect");
		frame.x0 = parseFloat(rect.getAttribute("x"));
		frame.w0 = parseFloat(rect.getAttribute("width"));
		frame.level = Number(frame.dataset.d);
		frame.value = Number(frame.dataset.v);
		frame.name = frame.dataset.n;
		frame.rect = rect;
		frame.label = frame.querySelector("text");
		if (!frame.label) {
			frame.label = document.createElementNS("http://www.w3.org/2000/svg", "text");
			frame.label.setAttribute("y", Number(rect.getAttribute("y")) + 13);
			frame.appendChild(frame.label);
		}
	}

	function inside(frame, outer) {
		return frame.index >= outer.index && frame.index <= outer.last;
	}

	function draw() {
		const width = svg.getBoundingClientRect().width * 0.98;
		const scale = 100 / zoomed.w0;
		for (const frame of frames) {
			const above = frame.level < zoomed.level && inside(zoomed, frame);
			const shown = above || (frame.level >= zoomed.level && inside(frame, zoomed));
			frame.classList.toggle("gone", !shown);
			frame.classList.toggle("above", above);
			if (!shown)
				continue;
			const x = above ? 0 : (frame.x0 - zoomed.x0) * scale;
			const w = above ? 100 : frame.w0 * scale;
			frame.rect.setAttribute("x", x + "%");
			frame.rect.setAttribute("width", w + "%");
			frame.label.setAttribute("x", x + "%");
			frame.label.setAttribute("dx", "4");
			const room = Math.floor((w * width / 100 - 6) / CHARACTER);
			frame.label.textContent = room < 3 ? "" : frame.name.length <= room ? frame.name :
				frame.name.slice(0, room - 1) + "\u2026";
		}
	}

	function tell(frame) {
		status.textContent = frame ? frame.querySelector("title").textContent.replace(/\n/g, " \u00b7 ") : searched();
	}

	function zoom(frame) {
		zoomed = frame;
		draw();
		focus(frame);
	}

	function focus(frame) {
		for (const other of frames)
			other.setAttribute("tabindex", other === frame ? "0" : "-1");
		frame.focus({ preventScroll: false });
		tell(frame);
	}

	/* What matches, each stretch once: the outermost of those that lie in one another. */
	function searched() {
		const word = input ? input.value : "";
		let pattern = null, sum = 0, hits = 0, end = -1;
		if (word)
			try {
				pattern = new RegExp(word, "i");
			} catch (error) {
				return "not a regular expression: " + word;
			}
		for (const frame of frames) {
			const hit = pattern !== null && pattern.test(frame.name);
			frame.classList.toggle("hit", hit);
			frame.classList.toggle("miss", pattern !== null && !hit);
			if (!hit)
				continue;
			hits++;
			if (frame.index <= end)
				continue;
			sum += frame.value;
			end = frame.last;
		}
		svg.dataset.matched = pattern ? String(sum) : "";
		return pattern === null ? "" : hits + " frames match, with " +
			(100 * sum / total).toFixed(1) + " % of the total";
	}

	function search(word) {
		if (input && input.value !== word)
			input.value = word;
		status.textContent = searched();
	}

	function next(frame, key) {
		const level = frame.level + (key === "ArrowDown" ? 1 : key === "ArrowUp" ? -1 : 0);
		const row = frames.filter((other) => other.level === level && !other.classList.contains("gone"));
		if (key === "ArrowDown")
			return row.filter((other) => inside(other, frame)).sort((a, b) => b.w0 - a.w0)[0];
		if (key === "ArrowUp")
			return row.find((other) => inside(frame, other));
		row.sort((a, b) => a.x0 - b.x0);
		return row[row.indexOf(frame) + (key === "ArrowRight" ? 1 : -1)];
	}

	svg.addEventListener("click", (event) => {
		const frame = event.target.closest(".f");
		if (frame)
			zoom(frame);
	});
	svg.addEventListener("mouseover", (event) => tell(event.target.closest(".f")));
	svg.addEventListener("focusin", (event) => {
		const frame = event.target.closest(".f");
		if (frame)
			tell(frame);
	});
	svg.addEventListener("keydown", (event) => {
		const frame = event.target.closest && event.target.closest(".f");
		if (event.key === "Escape") {
			search("");
			zoom(frames[0]);
		} else if (frame && (event.key === "Enter" || event.key === " ")) {
			zoom(frame);
		} else if (frame && event.key.startsWith("Arrow")) {
			const to = next(frame, event.key);
			if (to)
				focus(to);
		} else if ((event.key === "/" || (event.key === "f" && event.ctrlKey)) && input &&
			   event.target !== input) {
			input.focus();
		} else {
			return;
		}
		event.preventDefault();
	});
	if (input)
		input.addEventListener("input", () => search(input.value));
	const reset = svg.querySelector("#reset");
	if (reset)
		reset.addEventListener("click", () => { search(""); zoom(frames[0]); });
	window.addEventListener("resize", draw);
	frames[0].setAttribute("tabindex", "0");
	draw();
})();
