# The helpers of these pages, for bash: `. docs/api.sh`. They need curl and python3.

API=${API:-http://127.0.0.1:8000}

# api URL [options of curl]: a request as the user ada.
api() { curl -sS -H 'X-User-ID: ada' -H 'Content-Type: application/json' "$@"; }

# field NAME: this field of the JSON object that comes in.
field() { python3 -c "import json, sys; print(json.load(sys.stdin)['$1'])"; }

# new_session [JSON]: another session with $AGENT, in $SESSION.
new_session() {
    SESSION=$(python3 -c 'import json, sys; print(json.dumps({"agent_id": sys.argv[1], **json.loads(sys.argv[2])}))' \
        "$AGENT" "${1:-"{}"}" | api "$API/sessions/" -d @- | field session_id)
}

# say TEXT: send it to the session, and show the reply when it has ended or waits for somebody.
say() {
    python3 -c 'import json, sys
agent, session, text = sys.argv[1:]
message = {"name": "ada", "role": "user", "content": [{"type": "text", "text": text}]}
print(json.dumps({"agent_id": agent, "session_id": session, "input": message}))' \
        "$AGENT" "$SESSION" "$1" | api "$API/chat/" -d @- >/dev/null
    reply
}

# answer JSON: answer what the session waits for, and show how the reply went on.
answer() {
    api "$API/approvals/$(waiting)/answer" -d "$1" >/dev/null
    reply
}

# waiting: the id of what the session waits for.
waiting() {
    api "$API/approvals/?session_id=$SESSION" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["approvals"][0]["id"])'
}

# reply: wait, and show the last message, one block a line.
reply() {
    while api "$API/sessions/$SESSION/status?agent_id=$AGENT" | grep -q '"running"'; do sleep 0.2; done
    api "$API/sessions/$SESSION/messages?agent_id=$AGENT&limit=1" | python3 -c 'import json, sys
for block in json.load(sys.stdin)["messages"][-1]["content"]:
    match block["type"]:
        case "text":
            print(block["text"])
        case "tool_call":
            print(block["name"], block["input"], "->", block["state"])
        case "tool_result":
            print("  ", block["state"] + ":", *(part["text"] for part in block["output"]))
        case "hint":
            print(block["hint"])'
}
