"""The queue on Azure Service Bus, by `azure.servicebus.aio`."""
