"use strict";
// The page of `graft serve`: asks /predict and shows the answer. Nothing is fetched from anywhere else.
const SAY = {
  en: {
    model: "Model", keyAsk: "Key of this server", open: "Open", keyHint: "It was printed when the server started. It is kept in this tab alone.",
    keyWrong: "The key is not that of this server.", textAsk: "A text", ask: "Ask", before: "Before", report: "Report",
    image: "Drop a picture here", audio: "Drop a recording here", video: "Drop a video here",
    ways: "or click to choose one, or paste it", record: "● Record", stop: "■ Stop", noMic: "The microphone cannot be used here.",
    sure: p => `Probability ${p}`, range: (a, b) => `95 of 100 true values are expected from ${a} to ${b}`,
    accepted: "Accepted", unsure: "Not accepted", none: "none of the labels",
    reasons: { "unsure": "The model is not sure enough to answer.", "unlike the training data": "This is unlike the data that the model was trained on." },
    large: (a, b) => `The file has ${a}, and the server takes ${b} at most.`, gone: "The server does not answer.",
    facts: (s, v) => `Answered in ${s} ms · version ${v}`, about: (n, r) => `${n} · ${r}`, pasted: "pasted", recorded: "recording",
    explain: "What does the answer hang on?", looking: "Looking…", noPart: "No single part decides the answer.",
    cells: "What else is known", empty: "Leave empty what is not known.",
    near: "Most like it among the kept training examples", cosine: value => `Cosine of the features: ${value}`,
    meaning: {
      places: "What the network saw. Where it is bright, hiding a part costs the answer the most.",
      pieces: "Green speaks for the answer, red against it: what leaving it out changes.",
      spans: "From the beginning to the end: the higher, the more silence there costs the answer.",
    },
  },
  zh: {
    model: "模型", keyAsk: "此服务器的密钥", open: "打开", keyHint: "服务器启动时显示过一次。密钥只保存在此标签页中。",
    keyWrong: "密钥不正确。", textAsk: "一段文字", ask: "提问", before: "之前的结果", report: "模型报告",
    image: "把图片拖到这里", audio: "把录音拖到这里", video: "把视频拖到这里",
    ways: "或点击选择，也可以粘贴", record: "● 录音", stop: "■ 停止", noMic: "这里无法使用麦克风。",
    sure: p => `概率 ${p}`, range: (a, b) => `预计 100 个真实值中有 95 个在 ${a} 到 ${b} 之间`,
    accepted: "已采纳", unsure: "未采纳", none: "没有任何标签",
    reasons: { "unsure": "模型把握不足，不作回答。", "unlike the training data": "此输入与模型的训练数据不相似。" },
    large: (a, b) => `文件大小为 ${a}，服务器最多接受 ${b}。`, gone: "服务器没有响应。",
    facts: (s, v) => `用时 ${s} 毫秒 · 版本 ${v}`, about: (n, r) => `${n} · ${r}`, pasted: "粘贴的内容", recorded: "录音",
    explain: "答案的依据是什么？", looking: "正在分析…", noPart: "没有哪一部分单独决定答案。",
    cells: "其他已知信息", empty: "未知的可以留空。",
    near: "所保留的训练样本中最相似的", cosine: value => `特征的余弦相似度：${value}`,
    meaning: {
      places: "这是网络看到的内容。越亮的地方，遮住后对答案影响越大。",
      pieces: "绿色支持该答案，红色反对：即去掉它之后的变化。",
      spans: "从头到尾：越高，该处静音对答案影响越大。",
    },
  },
};
const $ = id => document.getElementById(id);
const state = { language: "en", models: [], model: null, key: "", recorder: null, address: null, last: null, input: null, turn: null, asked: null, why: null };
const say = name => SAY[state.language][name];
const kept = { // Private windows may refuse to store.
  get: name => { try { return sessionStorage.getItem(name); } catch { return null; } },
  set: (name, value) => { try { sessionStorage.setItem(name, value); } catch { return; } },
};

function speak(language) {
  state.language = language;
  kept.set("language", language);
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  $("language").textContent = language === "zh" ? "English" : "中文";
  $("language").lang = language === "zh" ? "en" : "zh";
  for (const one of document.querySelectorAll("[data-say]")) one.textContent = say(one.dataset.say);
  if (state.model) dress();
  if (state.last) show(...state.last);
  if (state.why) unfold(state.why);
}

async function ask(path, options = {}) {
  const headers = new Headers(options.headers);
  if (state.key) headers.set("Authorization", `Bearer ${state.key}`);
  let reply;
  try { reply = await fetch(path, { ...options, headers, credentials: "omit" }); }
  catch { throw new Error(say("gone")); }
  if (reply.ok) return reply;
  const told = await reply.json().catch(() => ({}));
  const fault = new Error(reply.status === 401 ? say("keyWrong") : told.message || reply.statusText);
  fault.status = reply.status;
  throw fault;
}

// Long names break where their words end.
function write(element, text) {
  const words = String(text).split(/(?<=[_/.-])/);
  element.replaceChildren(...words.flatMap(word => [word, document.createElement("wbr")]).slice(0, -1));
}

function trouble(text) {
  $("trouble").textContent = text || "";
  $("trouble").hidden = !text;
}

async function enter() {
  let models;
  try { models = (await (await ask("models")).json()).models; }
  catch (fault) {
    $("work").hidden = true;
    $("lock").hidden = false;
    trouble(fault.status === 401 && !state.key ? "" : fault.message);
    if (fault.status === 401) kept.set("key", "");
    $("key").focus();
    return;
  }
  kept.set("key", state.key);
  trouble();
  state.models = models;
  $("lock").hidden = true;
  $("work").hidden = false;
  $("models").replaceChildren(...models.map(one => new Option(one.name, one.name)));
  $("models").hidden = models.length < 2;
  choose(models[0].name);
}

function choose(name) {
  state.model = state.models.find(one => one.name === name);
  clear();
  fields();
  dress();
}

function clear() {
  state.last = state.why = state.input = state.turn = null;
  $("why").hidden = true;
  $("answer").hidden = true;
  $("shown").replaceChildren();
  $("drop").classList.remove("full");
  trouble();
}

function dress() {
  const { modality, name, runtime, report, task } = state.model, written = modality === "text";
  $("only").textContent = state.models.length < 2 ? name : "";
  $("drop").hidden = written;
  $("words").hidden = !written;
  $("record").hidden = modality !== "audio";
  $("record").textContent = say(state.recorder ? "stop" : "record");
  $("file").accept = `${modality}/*`;
  $("invite").textContent = SAY[state.language][modality] || name;
  $("ways").textContent = say("ways");
  $("about").textContent = say("about")(task, runtime);
  $("report").hidden = !report;
}

// A field for each column of a table that the model takes beside the input.
function fields() {
  const { columns } = state.model;
  $("cells").hidden = !columns.length;
  $("fields").replaceChildren(...columns.map(({ name, kind, known }, place) => {
    const label = document.createElement("label"), title = document.createElement("span"), field = document.createElement("input");
    write(title, name);
    field.autocomplete = "off";
    if (kind === "numbers") field.inputMode = "decimal";
    label.append(title, field);
    if (known.length) {
      const list = document.createElement("datalist");
      list.id = `known-${place}`;
      list.append(...known.map(one => new Option(one)));
      field.setAttribute("list", list.id);
      label.append(list);
    }
    return label;
  }));
}

// What is asked: an input, with what stands beside it now. What is no number is left to the server to tell of.
function body({ file, name, text }) {
  const given = [...$("fields").querySelectorAll("input")].map(field => field.value.trim());
  const values = state.model.columns.map(({ name, kind }, place) => {
    const value = given[place], number = kind === "numbers" && Number.isFinite(Number(value));
    return [name, value === "" ? null : number ? Number(value) : value];
  });
  const columns = values.length ? { columns: Object.fromEntries(values) } : {};
  if (!file) return { body: JSON.stringify({ text, ...columns }), headers: { "Content-Type": "application/json" } };
  const form = new FormData();
  form.append("file", file, name);
  if (values.length) form.append("columns", JSON.stringify(columns.columns));
  return { body: form };
}

const size = bytes => bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
const percent = share => `${(100 * share).toFixed(1)} %`;

async function take(file, name) {
  if (!file) return;
  clear();
  const most = state.model.limits.bytes;
  if (file.size > most - 4096) return trouble(say("large")(size(file.size), size(most)));
  preview(file);
  await predict({ file, name: name || file.name || say("pasted") });
}

function preview(file) {
  const tag = { image: "img", audio: "audio", video: "video" }[state.model.modality];
  if (!tag) return;
  if (state.address) URL.revokeObjectURL(state.address);
  state.address = URL.createObjectURL(file);
  const shown = document.createElement(tag);
  shown.src = state.address;
  if (tag === "img") shown.alt = file.name || "";
  else shown.controls = true;
  shown.addEventListener("error", () => shown.remove());
  $("shown").replaceChildren(shown);
  $("drop").classList.add("full");
}

async function predict(input) {
  const options = body(input), turn = state.turn = {}; // What is asked later makes earlier answers old.
  state.input = input;
  $("work").classList.add("busy");
  trouble();
  const start = performance.now();
  try {
    const near = state.model.examples ? "&nearest=3" : "";
    const reply = await ask(`predict?model=${encodeURIComponent(state.model.name)}${near}`, { method: "POST", ...options });
    const told = await reply.json(), took = Math.round(performance.now() - start);
    if (turn !== state.turn) return;
    state.last = [told.predictions[0], took, told.version];
    state.asked = options;
    state.why = null;
    $("why").hidden = true;
    $("explain").hidden = false;
    remember(input.name || input.text.slice(0, 80), show(...state.last));
  } catch (fault) {
    if (turn !== state.turn) return;
    $("answer").hidden = true;
    if (fault.status === 401) { state.key = ""; enter(); }
    trouble(fault.message);
  } finally { if (turn === state.turn || !state.turn) $("work").classList.remove("busy"); }
}

function show(one, took, version) {
  const label = one.label ?? (one.labels ? one.labels.join(", ") || say("none") : Number(one.value).toPrecision(5));
  const judged = typeof one.accepted === "boolean";
  $("answer").classList.toggle("doubt", one.accepted === false);
  $("verdict").textContent = judged ? say(one.accepted ? "accepted" : "unsure") : "";
  $("verdict").classList.toggle("unsure", one.accepted === false);
  write($("label"), label);
  const parts = [];
  if (one.accepted === false) parts.push(say("reasons")[one.reason] || one.reason || "");
  if ("low" in one) parts.push(say("range")(one.low.toPrecision(4), one.high.toPrecision(4)));
  if (one.probability != null) parts.push(say("sure")(percent(one.probability)));
  $("sure").textContent = parts.join(" ");
  const each = one.top || Object.entries(one.probabilities || {}).map(([label, probability]) => ({ label, probability }))
    .sort((a, b) => b.probability - a.probability);
  $("bars").replaceChildren(...each.map(bar));
  likes(one.nearest || []);
  $("facts").textContent = say("facts")(took, version);
  $("answer").hidden = false;
  requestAnimationFrame(() => { for (const one of $("bars").querySelectorAll("u")) one.style.width = one.dataset.width; });
  return label;
}

async function explain() {
  const button = $("explain"), asked = state.asked;
  button.disabled = true;
  button.textContent = say("looking");
  try {
    const reply = await ask(`explain?model=${encodeURIComponent(state.model.name)}`, { method: "POST", ...asked });
    const why = await reply.json();
    if (asked !== state.asked) return; // Another input was asked meanwhile.
    state.why = why;
    button.hidden = true;
    unfold(why);
  } catch (fault) { trouble(fault.message); }
  finally { button.disabled = false; button.textContent = say("explain"); }
}

function unfold(why) {
  const weights = why.kind === "pieces" ? why.pieces.map(one => one.weight) : why.weights.flat();
  const most = Math.max(...weights.map(Math.abs)), decides = Math.max(...weights) > 0.005;
  $("map").hidden = !(why.kind === "places" && why.seen && decides);
  $("pieces").hidden = why.kind !== "pieces";
  $("spans").hidden = !(why.kind === "spans" && decides);
  $("meaning").textContent = decides || why.kind === "pieces" && most > 0.005 ? say("meaning")[why.kind] : say("noPart");
  if (!$("map").hidden) light(why, Math.max(...weights));
  $("pieces").replaceChildren(...(why.pieces || []).map(({ text, weight }) => {
    const part = document.createElement("span"), share = Math.round(55 * Math.abs(weight) / Math.max(most, 0.02));
    part.textContent = text;
    part.title = weight.toFixed(3);
    if (share > 2) part.style.background = `color-mix(in srgb, var(--${weight > 0 ? "leaf" : "red"}) ${share}%, transparent)`;
    return part;
  }));
  $("spans").replaceChildren(...(why.kind === "spans" ? why.weights : []).map(weight => {
    const part = document.createElement("li");
    part.style.height = `${Math.max(3, 100 * weight / most)}%`;
    return part;
  }));
  $("why").hidden = false;
}

// The picture that the network saw, dark where hiding it changes nothing.
function light({ seen, weights }, most) {
  const map = $("map"), picture = new Image();
  map.setAttribute("aria-label", say("meaning").places);
  picture.addEventListener("load", () => {
    const shade = new OffscreenCanvas(weights[0].length, weights.length), dark = shade.getContext("2d");
    weights.forEach((row, y) => row.forEach((weight, x) => {
      dark.fillStyle = `rgba(8, 14, 11, ${0.8 * (1 - Math.max(0, weight / most) ** 0.7)})`;
      dark.fillRect(x, y, 1, 1);
    }));
    map.height = Math.round(map.width * picture.height / picture.width);
    const paint = map.getContext("2d");
    paint.imageSmoothingQuality = "high";
    paint.drawImage(picture, 0, 0, map.width, map.height);
    paint.drawImage(shade, 0, 0, map.width, map.height);
  });
  picture.src = seen;
}

function bar({ label, probability }) {
  const row = document.createElement("li");
  for (const [tag, text] of [["b", label], ["i", percent(probability)], ["span", ""]]) {
    const part = document.createElement(tag);
    write(part, text);
    row.append(part);
  }
  const fill = document.createElement("u");
  fill.dataset.width = `${Math.max(0.5, 100 * probability)}%`;
  row.lastChild.append(fill);
  return row;
}

// Training examples that the model keeps, the most like first.
function likes(nearest) {
  $("near").hidden = !nearest.length;
  $("likes").classList.toggle("words", !nearest.some(one => one.thumbnail));
  $("likes").replaceChildren(...nearest.map(({ label, cosine, thumbnail, excerpt }) => {
    const row = document.createElement("li"), shown = document.createElement(thumbnail ? "img" : "q");
    if (thumbnail) { shown.src = thumbnail; shown.alt = ""; }
    else shown.textContent = excerpt || "";
    row.append(...(thumbnail || excerpt ? [shown] : []));
    for (const [tag, text] of [["b", label], ["i", cosine.toFixed(2)]]) {
      const part = document.createElement(tag);
      write(part, text);
      row.append(part);
    }
    row.title = say("cosine")(cosine.toFixed(4));
    return row;
  }));
}

function remember(name, label) {
  const row = document.createElement("li");
  for (const text of [name, label]) {
    const part = document.createElement("span");
    write(part, text);
    row.append(part);
  }
  $("past").prepend(row);
  while ($("past").children.length > 6) $("past").lastChild.remove();
  $("before").hidden = $("past").children.length < 2;
}

async function record() {
  if (state.recorder) return state.recorder.stop();
  try {
    const sound = await navigator.mediaDevices.getUserMedia({ audio: true });
    const pieces = [], recorder = new MediaRecorder(sound);
    recorder.ondataavailable = event => pieces.push(event.data);
    recorder.onstop = async () => {
      for (const track of sound.getTracks()) track.stop();
      state.recorder = null;
      $("record").classList.remove("live");
      dress();
      try { await take(await asWav(new Blob(pieces)), `${say("recorded")}.wav`); }
      catch { trouble(say("noMic")); }
    };
    recorder.start();
    state.recorder = recorder;
    $("record").classList.add("live");
    dress();
  } catch { trouble(say("noMic")); }
}

// Browsers record in containers that few programs read: it is sent as 16-bit WAV of one channel.
async function asWav(blob) {
  const sound = new AudioContext(), heard = await sound.decodeAudioData(await blob.arrayBuffer());
  sound.close();
  const wave = heard.getChannelData(0), view = new DataView(new ArrayBuffer(44 + 2 * wave.length)), rate = heard.sampleRate;
  const word = (at, text) => [...text].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  word(0, "RIFF"); view.setUint32(4, 36 + 2 * wave.length, true); word(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, rate, true); view.setUint32(28, 2 * rate, true); view.setUint16(32, 2, true); view.setUint16(34, 16, true);
  word(36, "data"); view.setUint32(40, 2 * wave.length, true);
  wave.forEach((value, i) => view.setInt16(44 + 2 * i, Math.max(-1, Math.min(1, value)) * 32767, true));
  return new Blob([view], { type: "audio/wav" });
}

async function report() {
  try {
    const file = await (await ask(`models/${encodeURIComponent(state.model.name)}/report`)).blob();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = `${state.model.name}-report.html`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  } catch (fault) { trouble(fault.message); }
}

function listen() {
  const drop = $("drop");
  $("language").addEventListener("click", () => speak(state.language === "en" ? "zh" : "en"));
  $("models").addEventListener("change", event => choose(event.target.value));
  $("lock").addEventListener("submit", event => { event.preventDefault(); state.key = $("key").value.trim(); enter(); });
  $("key").addEventListener("input", () => trouble());
  $("words").addEventListener("submit", event => {
    event.preventDefault();
    predict({ text: $("text").value });
  });
  // What is changed there is asked again; Enter alone must not send the form.
  $("cells").addEventListener("submit", event => event.preventDefault());
  $("cells").addEventListener("change", () => { if (state.input) predict(state.input); });
  $("text").addEventListener("keydown", event => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("words").requestSubmit();
  });
  drop.addEventListener("click", event => { if (!event.target.closest("audio,video,input")) $("file").click(); });
  drop.addEventListener("keydown", event => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); $("file").click(); } });
  $("file").addEventListener("change", event => { take(event.target.files[0]); event.target.value = ""; });
  // All of the page takes drops, so that one beside the field does not open the file in the tab.
  addEventListener("dragover", event => { event.preventDefault(); drop.classList.add("over"); });
  addEventListener("dragleave", event => { if (!event.relatedTarget) drop.classList.remove("over"); });
  addEventListener("drop", event => {
    event.preventDefault();
    drop.classList.remove("over");
    if (state.model && state.model.modality !== "text") take(event.dataTransfer.files[0]);
  });
  addEventListener("paste", event => {
    const file = [...event.clipboardData.files][0];
    if (file && state.model && state.model.modality !== "text") take(file);
  });
  $("record").addEventListener("click", record);
  $("report").addEventListener("click", report);
  $("explain").addEventListener("click", explain);
}

async function begin() {
  listen();
  speak(kept.get("language") || (navigator.language.startsWith("zh") ? "zh" : "en"));
  // The address that was printed carries the key behind #, which browsers never send.
  state.key = decodeURIComponent(location.hash.slice(1)) || kept.get("key") || "";
  if (location.hash) history.replaceState(null, "", location.pathname);
  const open = await ask("ready").then(reply => reply.json()).then(told => !told.key).catch(() => false);
  if (open || state.key) return enter();
  $("lock").hidden = false;
  $("key").focus();
}

begin();
