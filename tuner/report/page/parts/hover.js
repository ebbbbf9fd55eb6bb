// Shows at once, also to a finger, what a mark says in its title. The page needs none of this.
(function () {
  "use strict";
  var tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true");
  document.body.appendChild(tip);
  document.querySelectorAll("svg.chart title").forEach(function (title) {
    var mark = title.parentNode;
    mark.tip = title.textContent;
    title.remove();
    mark.addEventListener("pointerenter", show);
    mark.addEventListener("pointerleave", hide);
  });
  function show(event) {
    tip.textContent = event.currentTarget.tip;
    tip.hidden = false;
    var most = document.documentElement.clientWidth - tip.offsetWidth - 8;
    tip.style.left = Math.max(0, Math.min(event.pageX + 12, most)) + "px";
    tip.style.top = event.pageY + 16 + "px";
  }
  function hide() {
    tip.hidden = true;
  }
})();
