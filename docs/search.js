// People paste whole messages into the search. The theme hands what is typed to its search in a worker, where signs such
// as ":" and "/" are operators, and every word counts as a beginning of others. Here a pasted message becomes words:
// short ones of every sentence, and what differs from machine to machine (numbers, paths), are left out.
(() => {
  const QUERY = 2; // the theme's SearchMessageType
  const COMMON = new Set(("a an and are as at be been but by can cannot could did do does for from has have if in into is " +
    "it its may might must no not of on or see so such that the there this to was were when which will with would you your " +
    "error errors warning failed failure please make sure try using").split(" "));
  const words = (text) => text.split(/[^\p{L}\p{N}_.]+/u).map((word) => word.replace(/^\.+|\.+$/g, "")).filter(Boolean);

  function asked(text) {
    const all = words(text.replace(/^.*?\.(cc|cpp|py|cu)\b[:(]\d+[)\]:]*/, "")); // the source file before a line of a log
    if (all.length < 4) return all.join(" ");
    const telling = all.filter((word) => !/\d/.test(word) && word.length > 2 && !COMMON.has(word.toLowerCase()));
    const parts = (telling.length > 1 ? telling : all).flatMap((word) => word.split("."));
    return [...new Set(parts)].filter(Boolean).map((word) => `text:${word}^1`).join(" "); // ^1: this word, not its beginning; a page's title decides nothing
  }

  const send = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (message, ...rest) {
    const query = message && message.type === QUERY && typeof message.data === "string";
    return send.call(this, query ? { ...message, data: asked(message.data) } : message, ...rest);
  };
})();
