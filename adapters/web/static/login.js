// Redeems the code of a one-time link. A page that is only looked at, as by a link's preview, uses nothing up.

const said = document.getElementById("said");
const enter = document.getElementById("enter");
const how = document.getElementById("how");
const code = new URLSearchParams(location.search).get("code");

/** A browser sends no strict cookie with a link from elsewhere; with a request of our own it does. */
async function isSignedIn() {
  const answer = await fetch("/api/channels/studio/messages").catch(() => null);
  return answer?.ok ?? false;
}

async function redeem() {
  enter.hidden = true;
  said.textContent = "One moment …";
  let answer;
  try {
    answer = await fetch("/login", { method: "POST", body: new URLSearchParams({ code }) });
  } catch {
    said.textContent = "The server can't be reached.";
    enter.textContent = "Try again";
    enter.hidden = false;
    return;
  }
  await answer.text();
  if (answer.ok || (await isSignedIn())) location.replace("/");
  else explain("This link was used before, or is too old.");
}

function explain(why) {
  said.textContent = why;
  how.hidden = false;
}

enter.addEventListener("click", redeem);
if (code) await redeem();
else if (await isSignedIn()) location.replace("/");
else explain("You need a link to enter.");
