package parley.chat.v1;

import org.apache.dubbo.common.stream.StreamObserver;

/** The service of chat.proto as a Java shop writes it down: its full name is the service's name on the wire. */
public interface ChatService {
    void complete(Chat.CompleteRequest request, StreamObserver<Chat.CompleteEvent> events);

    Chat.InspectResponse inspect(Chat.InspectRequest request);
}
