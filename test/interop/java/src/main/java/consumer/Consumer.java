package consumer;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.dubbo.common.stream.StreamObserver;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;
import parley.chat.v1.Chat;
import parley.chat.v1.ChatService;

/**
 * Finds Parley's servers through Nacos and asks them: each line of standard input is "model TAB question", and each is answered by lines that
 * begin with STARTED, DELTA, FINISHED or ERROR, and one END.
 */
public final class Consumer {
    private static final PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    public static void main(String[] args) throws Exception {
        ApplicationConfig application = new ApplicationConfig("consumer");
        application.setQosEnable(false);
        RegistryConfig registry = new RegistryConfig("nacos://" + args[0] + "?namespace=" + args[1]);
        registry.setUseAsConfigCenter(false);
        registry.setUseAsMetadataCenter(false);
        ReferenceConfig<ChatService> reference = new ReferenceConfig<>();
        reference.setInterface(ChatService.class);
        reference.setProtocol("tri");
        reference.setCheck(false);
        reference.setRetries(0);
        reference.setTimeout(60_000);
        DubboBootstrap.getInstance().application(application).registry(registry).reference(reference).start();
        ChatService service = reference.get();

        out.println("INSPECT " + service.inspect(Chat.InspectRequest.getDefaultInstance()).getVersion());
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = in.readLine()) != null; ) {
            String[] words = line.split("\t", 2);
            ask(service, words[0], words[1]);
        }
        System.exit(0);
    }

    private static void ask(ChatService service, String model, String question) throws InterruptedException {
        Chat.CompleteRequest request = Chat.CompleteRequest.newBuilder()
                .setTenant("acme").setConversation("java").setTurn("t").setAttempt(1).setModel(model)
                .setQuestion(question).setDeltas(true).build();
        CountDownLatch ended = new CountDownLatch(1);
        try {
            service.complete(request, new Printer(ended));
            if (!ended.await(60, TimeUnit.SECONDS)) {
                out.println("ERROR no end");
            }
        } catch (RuntimeException e) {
            out.println("ERROR " + oneLine(e));
        }
        out.println("END");
    }

    private static String oneLine(Throwable t) {
        return String.valueOf(t.getMessage()).replace('\n', ' ');
    }

    private record Printer(CountDownLatch ended) implements StreamObserver<Chat.CompleteEvent> {
        @Override
        public void onNext(Chat.CompleteEvent e) {
            switch (e.getEventCase()) {
                case STARTED -> out.println("STARTED " + e.getStarted().getProvider() + "/" + e.getStarted().getModel());
                case DELTA -> out.println("DELTA " + e.getDelta().getText());
                case FINISHED -> out.println("FINISHED " + e.getFinished().getFinishReason() + " " + e.getFinished().getText());
                default -> { }
            }
        }

        @Override
        public void onError(Throwable t) {
            out.println("ERROR " + oneLine(t));
            ended.countDown();
        }

        @Override
        public void onCompleted() {
            ended.countDown();
        }
    }
}
