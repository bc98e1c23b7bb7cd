-- wrk ... -- FILE ATTRIBUTES: posts the lines of FILE to /invocations in turn, ends with one line of JSON.
local requests, at = {}, 0

function init(arguments)
  local headers = {["Content-Type"] = "application/json", ["X-Amzn-SageMaker-Custom-Attributes"] = arguments[2]}
  for body in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("POST", "/invocations", headers, body)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "status": %d, "timeout": %d, "socket": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.timeout, errors.connect + errors.read + errors.write))
end
