"""gRPC's C-core, by grpcio, as the other end of the interoperability cases.

grpcio_peer.py FOLDER server           prints its port and serves until its input ends
grpcio_peer.py FOLDER client PORT CASE exits with 0 when the case passes

FOLDER is where the code generated from test-service.proto is put.
"""
import os
import sys
import threading
import time
from concurrent import futures

import grpc
from grpc_tools import protoc

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = sys.argv[1]
if not os.path.exists(os.path.join(FOLDER, "test_service_pb2_grpc.py")):
    os.makedirs(FOLDER, exist_ok=True)
    code = protoc.main(["", f"-I{HERE}", f"--python_out={FOLDER}", f"--grpc_python_out={FOLDER}", "test-service.proto"])
    assert code == 0, "protoc"
sys.path.insert(0, FOLDER)
import test_service_pb2 as pb  # noqa: E402
import test_service_pb2_grpc as rpc  # noqa: E402

ECHO_INITIAL, ECHO_TRAILER = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"
SIZES_IN, SIZES_OUT = [27182, 8, 1828, 45904], [31415, 9, 2653, 58979]
STATUS = "test status message"
SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001F608\t\n"


def payload(size):
    return pb.Payload(body=bytes(size))


class Service(rpc.TestServiceServicer):
    def EmptyCall(self, request, context):
        return pb.Empty()

    def UnaryCall(self, request, context):
        echo_metadata(context)
        fail_as(request, context)
        if request.response_compressed.value:
            context.set_compression(grpc.Compression.Gzip)
        return pb.SimpleResponse(payload=payload(request.response_size))

    def StreamingInputCall(self, requests, context):
        return pb.StreamingInputCallResponse(aggregated_payload_size=sum(len(one.payload.body) for one in requests))

    def StreamingOutputCall(self, request, context):
        yield from answers_to(request)

    def FullDuplexCall(self, requests, context):
        echo_metadata(context)
        for request in requests:
            fail_as(request, context)
            yield from answers_to(request)


def answers_to(request):
    for wanted in request.response_parameters:
        time.sleep(wanted.interval_us / 1e6)
        yield pb.StreamingOutputCallResponse(payload=payload(wanted.size))


def echo_metadata(context):
    metadata = dict(context.invocation_metadata())
    if ECHO_INITIAL in metadata:
        context.send_initial_metadata([(ECHO_INITIAL, metadata[ECHO_INITIAL])])
    if ECHO_TRAILER in metadata:
        context.set_trailing_metadata([(ECHO_TRAILER, metadata[ECHO_TRAILER])])


def fail_as(request, context):
    if request.HasField("response_status"):
        code = next(code for code in grpc.StatusCode if code.value[0] == request.response_status.code)
        context.abort(code, request.response_status.message)


def serve():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    rpc.add_TestServiceServicer_to_server(Service(), server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()
    server.stop(0)


def duplex_request(wanted, body):
    return pb.StreamingOutputCallRequest(
        response_parameters=[pb.ResponseParameters(size=wanted)], payload=payload(body))


def fails_with(call, code, message=None):
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, f"{error.code()}, {error.details()}"
        assert message is None or error.details() == message, repr(error.details())
        return
    raise AssertionError("should have failed")


def empty_unary(stub, channel):
    stub.EmptyCall(pb.Empty())


def large_unary(stub, channel, **options):
    answer = stub.UnaryCall(pb.SimpleRequest(response_size=314159, payload=payload(271828)), **options)
    assert len(answer.payload.body) == 314159


def client_compressed_unary(stub, channel):
    large_unary(stub, channel, compression=grpc.Compression.Gzip)


def client_compressed_streaming(stub, channel):
    client_streaming(stub, channel, compression=grpc.Compression.Gzip)


def client_streaming(stub, channel, **options):
    requests = (pb.StreamingInputCallRequest(payload=payload(size)) for size in SIZES_IN)
    assert stub.StreamingInputCall(requests, **options).aggregated_payload_size == 74922


def server_streaming(stub, channel):
    request = pb.StreamingOutputCallRequest(response_parameters=[pb.ResponseParameters(size=size) for size in SIZES_OUT])
    assert [len(one.payload.body) for one in stub.StreamingOutputCall(request)] == SIZES_OUT


def ping_pong(stub, channel):
    turn = threading.Semaphore(1)

    def requests():
        for wanted, body in zip(SIZES_OUT, SIZES_IN):
            turn.acquire()
            yield duplex_request(wanted, body)
        turn.acquire()

    sizes = []
    for answer in stub.FullDuplexCall(requests()):
        sizes.append(len(answer.payload.body))
        turn.release()
    assert sizes == SIZES_OUT


def empty_stream(stub, channel):
    assert list(stub.FullDuplexCall(iter(()))) == []


def cancel_after_begin(stub, channel):
    hold = threading.Event()
    call = stub.StreamingInputCall.future(iter(lambda: hold.wait(), True))
    call.cancel()
    hold.set()
    assert call.code() == grpc.StatusCode.CANCELLED


def cancel_after_first_response(stub, channel):
    hold = threading.Event()

    def requests():
        yield duplex_request(31415, 27182)
        hold.wait()

    call = stub.FullDuplexCall(requests())
    assert len(next(call).payload.body) == 31415
    call.cancel()
    hold.set()
    fails_with(lambda: next(call), grpc.StatusCode.CANCELLED)


def timeout_on_sleeping_server(stub, channel):
    request = duplex_request(31415, 27182)
    request.response_parameters[0].interval_us = 1000000
    fails_with(lambda: list(stub.FullDuplexCall(iter([request]), timeout=0.02)), grpc.StatusCode.DEADLINE_EXCEEDED)


def custom_trailers(stub, channel):
    sent = ((ECHO_INITIAL, "test_initial_metadata_value"), (ECHO_TRAILER, b"\xab\xab\xab"))
    _, call = stub.UnaryCall.with_call(pb.SimpleRequest(response_size=10), metadata=sent)
    assert dict(call.trailing_metadata())[ECHO_TRAILER] == b"\xab\xab\xab"
    call = stub.FullDuplexCall(iter([duplex_request(10, 10)]), metadata=sent)
    assert len(list(call)) == 1
    assert dict(call.trailing_metadata())[ECHO_TRAILER] == b"\xab\xab\xab"


def status_code_and_message(stub, channel):
    status = pb.EchoStatus(code=2, message=STATUS)
    fails_with(lambda: stub.UnaryCall(pb.SimpleRequest(response_status=status)), grpc.StatusCode.UNKNOWN, STATUS)
    request = pb.StreamingOutputCallRequest(response_status=status)
    fails_with(lambda: list(stub.FullDuplexCall(iter([request]))), grpc.StatusCode.UNKNOWN, STATUS)


def special_status_message(stub, channel):
    status = pb.EchoStatus(code=2, message=SPECIAL)
    fails_with(lambda: stub.UnaryCall(pb.SimpleRequest(response_status=status)), grpc.StatusCode.UNKNOWN, SPECIAL)


def unimplemented_method(stub, channel):
    fails_with(lambda: stub.UnimplementedCall(pb.Empty()), grpc.StatusCode.UNIMPLEMENTED)


def unimplemented_service(stub, channel):
    other = rpc.UnimplementedServiceStub(channel)
    fails_with(lambda: other.UnimplementedCall(pb.Empty()), grpc.StatusCode.UNIMPLEMENTED)


if sys.argv[2] == "server":
    serve()
else:
    with grpc.insecure_channel(f"127.0.0.1:{sys.argv[3]}") as channel:
        for case in sys.argv[4].split(","):
            try:
                globals()[case](rpc.TestServiceStub(channel), channel)
                print(f"{case} passed", flush=True)
            except Exception as error:  # the report is the case's, whatever went wrong
                print(f"{case} FAILED {error!r}", flush=True)
